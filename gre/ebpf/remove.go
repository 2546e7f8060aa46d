// SPDX-License-Identifier: Apache-2.0

package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Remove takes away what an earlier process has left in the kernel under Options.ID: programs on the links, and pinned maps. It is for a process that
// forwards by itself; where nothing was left it does nothing. Of the options it looks at XfrmInterface, ID, N3 and Pin.
func Remove(o Options) (err error) {
	u := &UserPlane{opts: o, local: map[netip.Addr]struct{}{}}
	if u.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return err
	}
	defer u.handle.Close()
	link, err := u.handle.LinkByName(o.XfrmInterface)
	if err != nil {
		return fmt.Errorf("xfrm interface %s: %w", o.XfrmInterface, err)
	}
	u.xfrm = link.Attrs().Index
	if u.findLinks() == nil { // else no program can be there
		err = u.detach()
	}
	if _, e := os.Stat(o.Pin); e == nil {
		err = errors.Join(err, unpin(o.Pin))
	}
	return err
}
