// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
)

// resolveTimeout bounds one question to the DNS; the next attempt to connect asks again.
const resolveTimeout = 5 * time.Second

// maxAMFAddresses is how many addresses of one name an association uses, as with listed ones.
const maxAMFAddresses = 8

// remoteAddresses are an AMF's addresses: those of the configuration, or what its name stands for now. A name with addresses of
// both families is taken for a multi-homed AMF, like a list.
func remoteAddresses(ctx context.Context, c config.AMF) ([]netip.Addr, error) {
	if c.Name == "" {
		return c.Addresses, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", c.Name)
	if err != nil {
		return nil, fmt.Errorf("n2.amfs: %w; check the name and the DNS of this machine", err)
	}
	for i := range list {
		list[i] = list[i].Unmap()
	}
	slices.SortFunc(list, netip.Addr.Compare)
	list = slices.Compact(list)
	return list[:min(len(list), maxAMFAddresses)], nil
}
