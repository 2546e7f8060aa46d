// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Options say how a UserPlane is made. XfrmInterface, ID, N3 and Child are needed.
type Options struct {
	// XfrmInterface is the name of the interface on which decrypted packets appear.
	XfrmInterface string
	// ID tells the N3IWFs of one host apart: that of the xfrm interface.
	ID uint32
	// N3 are our N3 addresses. The links that have the IPv4 ones are served; sessions with IPv6 stay in user space.
	N3 []netip.Addr
	// Child gives the mark of a child SA and the DSCP of its outer header.
	Child func(ipsec.ChildID) (mark uint32, dscp uint8, err error)
	// Pin is a folder in a BPF file system where maps outlive the process; "" pins nothing.
	Pin string
	// MaxSessions bounds child SAs and sessions (2^18).
	MaxSessions int
	// Protocol is what the GRE header says of the PDU downlink.
	Protocol gre.ProtocolPolicy
	Log      *slog.Logger
	// RefreshInterval is how often rates, and routes to UPFs of which no change was told, are looked at again (1 s).
	RefreshInterval time.Duration
}

// UserPlane is a relay.Offload in the kernel.
type UserPlane struct {
	opts    Options
	objects *objects
	handle  *netlink.Handle
	xfrm    int
	links   []n3link
	local   map[netip.Addr]struct{} // IPv4 N3 addresses on served links
	routing *routing
	stop    chan struct{}
	running sync.WaitGroup

	mu         sync.Mutex
	closed     bool
	paused     bool
	sessions   map[uint32]*record
	children   map[uint32]*userplaneChild // by mark
	restricted map[uint32]bool            // marks of child SAs with an unproven path
	adopted    map[uint32]bool            // TEIDs of an earlier process
	routes     map[way]*route
	rates      rates
	final      atomic.Pointer[relay.Traffic] // Totals at the end
	base       relay.Traffic                 // what the maps had counted before
}

var _ relay.Offload = (*UserPlane)(nil)

// record is what is known of a session.
type record struct {
	marks  []uint32
	limits []*relay.Limit // each once
	way    way
	value  userplaneSession
	past   userplaneCounts // uplink, of child SAs that are gone
	flows  flowCounts
}

// Open loads the programs, takes over the maps that an earlier process has left, and attaches the programs: all in the network namespace of the
// calling thread. It needs CAP_BPF and CAP_NET_ADMIN, and a kernel from 5.10. The error says what is missing.
func Open(o Options) (u *UserPlane, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.RefreshInterval <= 0 {
		o.RefreshInterval = time.Second
	}
	u = &UserPlane{
		opts: o, local: map[netip.Addr]struct{}{}, stop: make(chan struct{}), sessions: map[uint32]*record{}, children: map[uint32]*userplaneChild{},
		restricted: map[uint32]bool{}, adopted: map[uint32]bool{}, routes: map[way]*route{},
	}
	if err := Probe(); err != nil {
		return nil, err
	}
	if u.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return nil, err
	}
	made := u // the result is nil when a return has an error
	defer func() {
		if err != nil {
			made.handle.Close()
			if made.routing != nil {
				made.routing.close()
			}
			if made.objects != nil {
				err = errors.Join(err, made.objects.Close())
			}
			u = nil
		}
	}()
	if u.routing, err = watchRouting(); err != nil {
		return nil, err
	}
	link, err := u.handle.LinkByName(o.XfrmInterface)
	if err != nil {
		return nil, fmt.Errorf("xfrm interface %s: %w", o.XfrmInterface, err)
	}
	u.xfrm = link.Attrs().Index
	if err := u.findLinks(); err != nil {
		return nil, err
	}
	pin := o.Pin
	if pin != "" {
		if err := canPin(pin); err != nil {
			o.Log.Warn("maps cannot be pinned: forwarding ends with this process, however that ends", "reason", err)
			pin = ""
		}
	}
	if u.objects, err = loadObjects(u.xfrm, pin, o.MaxSessions); err != nil {
		return nil, fmt.Errorf("load programs and maps (CAP_BPF): %w", err)
	}
	if err := u.takeOver(); err != nil {
		return nil, err
	}
	if err := u.attach(); err != nil {
		return nil, errors.Join(err, u.detach())
	}
	u.running.Go(u.refresh)
	u.running.Go(u.routing.run)
	return u, nil
}

// takeOver notes what is in maps of an earlier process.
func (u *UserPlane) takeOver() error {
	var teid uint32
	var s userplaneSession
	it := u.objects.Sessions.Iterate()
	for it.Next(&teid, &s) {
		u.adopted[teid] = true
		u.rates.reserve(s.Bucket[:])
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("pinned maps: %w", err)
	}
	var mark uint32
	var c userplaneChild
	it = u.objects.Children.Iterate()
	for it.Next(&mark, &c) {
		u.children[mark] = ptr(c)
		u.rates.reserve(c.Bucket[:])
	}
	u.base = u.Totals()
	return it.Err()
}

func ptr[T any](v T) *T { return &v }

// Adopted are the TEIDs of sessions that an earlier process has left and that have not been Set since; their packets flow.
func (u *UserPlane) Adopted() []uint32 {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []uint32
	for teid := range u.adopted {
		list = append(list, teid)
	}
	slices.Sort(list)
	return list
}

// Sweep removes the sessions of an earlier process that have not been Set, and child SAs of no session.
func (u *UserPlane) Sweep() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var errs []error
	for teid := range u.adopted {
		errs = append(errs, remove(u.objects.Sessions, teid), remove(u.objects.DownlinkCounts, teid))
	}
	clear(u.adopted)
	used := map[uint32]bool{}
	for _, r := range u.sessions {
		for _, mark := range r.marks {
			used[mark] = true
		}
	}
	for mark := range u.children {
		if !used[mark] {
			errs = append(errs, u.dropChild(mark))
		}
	}
	errs = append(errs, u.sweepRates(), u.sweepFlows())
	return errors.Join(errs...)
}

func (u *UserPlane) dropChild(mark uint32) error {
	delete(u.children, mark)
	return errors.Join(remove(u.objects.Children, mark), remove(u.objects.UplinkCounts, mark))
}

func remove(m *ebpf.Map, key any) error {
	if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	return nil
}

// Leave ends this object, but not what it has in the kernel: user packets flow on, until another process opens the same ID or the links go.
func (u *UserPlane) Leave() error { return u.end(func() error { return nil }) }

// Close takes the programs off the links and removes all maps.
func (u *UserPlane) Close() error {
	return u.end(func() error {
		err := u.detach()
		if u.opts.Pin != "" {
			err = errors.Join(err, unpin(u.opts.Pin))
		}
		return err
	})
}

func (u *UserPlane) end(f func() error) error {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return nil
	}
	u.closed = true
	u.mu.Unlock()
	close(u.stop)
	u.routing.close()
	u.running.Wait()
	u.final.Store(ptr(u.Totals()))
	err := errors.Join(f(), u.objects.Close())
	u.handle.Close()
	return err
}
