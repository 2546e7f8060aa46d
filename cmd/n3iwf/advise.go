// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"

	"github.com/open-n3iwf/n3iwf/config"
)

// advise adds what to do to an error of the system about an address of the configuration.
func advise(err error) error {
	for cause, advice := range map[syscall.Errno]string{
		syscall.EADDRINUSE:    "another program has this address and port, perhaps another N3IWF: ss -lntup shows which; stop it, or name others",
		syscall.EADDRNOTAVAIL: "this machine has no such address: ip address shows those that it has",
		syscall.EACCES: "ports below 1024 take root, CAP_NET_BIND_SERVICE or sysctl net.ipv4.ip_unprivileged_port_start=500; " +
			"dataPlane.kind kernel and plain ESP take more: docs/operating.md",
	} {
		if errors.Is(err, cause) {
			if k := (*config.KeyError)(nil); errors.As(err, &k) && errors.Is(k, cause) {
				k.Do = cmp.Or(k.Do, advice)
				return err
			}
			return fmt.Errorf("%w; %s", err, advice)
		}
	}
	return err
}
