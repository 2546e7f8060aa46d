// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// ownNetworkOf names the test that this process is to run in a network of its own.
const ownNetworkOf = "E2E_OWN_NETWORK_OF"

// inOwnNetwork runs the test once more in a process with a network namespace of its own, whose loopback device has these addresses besides 127.0.0.0/8
// and ::1: IPv6 has one loopback address, and GTP-U one port. It tells true in that process; otherwise the test has been run, and is over.
func inOwnNetwork(t *testing.T, addresses ...string) bool {
	t.Helper()
	if os.Getenv(ownNetworkOf) == t.Name() {
		lo, err := netlink.LinkByName("lo")
		require.NoError(t, err)
		for _, a := range addresses {
			parsed, err := netlink.ParseAddr(a)
			require.NoError(t, err)
			require.NoError(t, netlink.AddrAdd(lo, parsed))
		}
		require.NoError(t, netlink.LinkSetUp(lo))
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1", "-test.timeout=3m")
	cmd.Env = append(os.Environ(), ownNetworkOf+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	testenv.Need(t, !errors.Is(err, syscall.EPERM), "network namespaces: run the tests as root, or allow user namespaces")
	t.Logf("%s", out)
	require.NoError(t, err)
	return false
}
