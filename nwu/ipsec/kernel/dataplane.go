// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/endpoint"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// Options say how a DataPlane is made. Sink and InterfaceID are needed; the rest has defaults.
type Options struct {
	Sink    ipsec.Sink
	Sockets []ipsec.Socket // served from the start; AddSocket adds more
	// InterfaceID is the number by which the kernel knows all that belongs to this data plane: states, policies and the interface. Each data plane of a
	// host (to be exact: of a network namespace) has its own. Whatever has this number at the start is left from a crash and is removed.
	InterfaceID uint32
	Interface   string         // name of the interface; default "nwu" and the InterfaceID
	Addresses   []netip.Prefix // our inner addresses, put on the interface
	Routes      []netip.Prefix // inner addresses of the peers, routed to the interface; without an SA such packets go nowhere
	// TCP leaves inner TCP to the sockets of this host: it is not given to the Sink. Connections accepted by them answer through the child SA that they
	// came through; those that they make need Mark.
	TCP bool
	// Workers is how many goroutines receive inner packets, and IKE on each NATT address; default GOMAXPROCS, maximum 64.
	Workers int
	// MaxChildren is how many child SAs there can be, those in grace included; default 2^18 (8 octets each), maximum 2^24.
	MaxChildren int
	// Batch is how many inner packets a receiver takes at once; default 32 (64 KiB each).
	Batch int
	// Shared tells that others than the Writers send through the SAs: sockets or programs in the kernel with a Mark. TCP has it too. A move cannot stop
	// those, so it leaves out SequenceMargin sequence numbers, and packets still under way on the path before are too old for the peer then. Without it
	// a move lets the Writers wait for a moment and leaves out none.
	Shared bool
	// SequenceMargin is for Shared: default 2^16, with ESN four times that. It should last for 2 s of the peer's highest rate.
	SequenceMargin uint64
	// InboundGrace is how long packets to the local address before a move are still accepted; default 1 s, negative is none.
	InboundGrace time.Duration
	// PathReports is how often the kernel tells of packets from another path than the SA's own: 0 is once a second for each port, negative is for
	// each packet, which is exact and costs a message each.
	PathReports time.Duration
	UDP         udpbatch.Options // what all sockets have in common; Local, Protocol, GRO and Encapsulation are ignored
	// Estate is that of a predecessor, in another process, whose states, policies, interface and sockets are gone on with; see ipsec.Succession. Its files
	// can be closed once the data plane is made. nil: all is new.
	Estate *ipsec.Estate
	Log    *slog.Logger     // default: slog.Default
	Now    func() time.Time // default: time.Now
}

const (
	maxWorkers    = 64
	maxChildren   = 1 << 24
	defaultMargin = 1 << 16
)

// DataPlane is the maker of ipsec.DataPlane over XFRM.
type DataPlane struct {
	opts      Options
	xfrm      *xfrm.Conn
	reports   *reports
	link      *link
	inner     packetConns
	logRules  *logRules // nil where packet sockets tell marks
	unknown   *unknown
	noEncap6  error                   // why the kernel cannot have ESP in UDP over IPv6; nil: it can
	slots     []atomic.Pointer[child] // by the number in marks
	endpoints endpoint.Table
	totals    totals
	wg        sync.WaitGroup

	mu       sync.Mutex // the control plane; never taken for a packet
	closed   bool
	children map[ipsec.ChildID]*child
	spis     map[uint32]*generation // nil: reserved
	shortcut Shortcut               // nil: there is none
	nextSlot int
	nextSPI  int
	writers  []*writer
	gates    atomic.Int32             // children whose packets wait; see child.gate
	graces   map[*generation]struct{} // with a running timer
	quiesce  time.Duration            // quiesceLimit
	borrowed bool                     // what is in the kernel is another process's, before the succession or after it
	sweeping bool                     // the predecessor may have left something over
	sweeper  *time.Timer              // removes that; nil while nothing is to be removed, and while this process makes room for a successor
}

var _ ipsec.DataPlane = (*DataPlane)(nil)

// New removes what a crash has left, makes the interface and opens the sockets, all in the network namespace of the calling thread. It needs CAP_NET_ADMIN
// and CAP_NET_RAW. Another process that runs with the same InterfaceID is an error.
func New(o Options) (d *DataPlane, err error) {
	switch {
	case o.Sink == nil:
		return nil, fmt.Errorf("%w: a Sink is needed", ipsec.ErrInvalid)
	case o.InterfaceID == 0:
		return nil, fmt.Errorf("%w: an InterfaceID other than 0 is needed", ipsec.ErrInvalid)
	}
	o.defaults()
	will, err := readWill(&o)
	if err != nil {
		return nil, err
	}
	d = &DataPlane{
		opts: o, slots: make([]atomic.Pointer[child], o.MaxChildren),
		children: map[ipsec.ChildID]*child{}, spis: map[uint32]*generation{}, graces: map[*generation]struct{}{},
		quiesce: quiesceLimit, borrowed: o.Estate != nil, nextSlot: will.NextSlot,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
			d = nil
		}
	}()
	if d.xfrm, err = xfrm.Dial(); err != nil {
		return d, err
	}
	if d.link, err = newLink(d.xfrm, &o); err != nil {
		return d, err
	}
	if err = d.probe(); err != nil {
		return d, err
	}
	if d.reports, err = newReports(d); err != nil {
		return d, err
	}
	if err = d.openInner(&o, will.Groups); err != nil {
		return d, err
	}
	if d.unknown, err = newUnknown(d); err != nil {
		return d, err
	}
	for _, s := range d.firstSockets() {
		if _, err = d.AddSocket(s); err != nil {
			return d, err
		}
	}
	d.opts.Estate = nil // its files are closed some time
	for _, c := range d.inner.in {
		r := newReceiver(d, c)
		d.wg.Go(r.run)
	}
	if d.logRules != nil {
		d.wg.Go(func() { d.logRules.watch(d) })
	}
	d.wg.Go(d.reports.run)
	d.wg.Go(d.unknown.run)
	return d, nil
}

// openInner opens the sockets of inner packets, or goes on with those of a predecessor and its groups of the log.
func (d *DataPlane) openInner(o *Options, groups logGroups) (err error) {
	if o.Estate != nil {
		d.inner, err = inheritPackets(o.Estate.Files[1:], d.link.index, o.Batch)
		switch {
		case err != nil:
			return err
		case len(d.inner.out) == 0 || groups.count() > 0 && groups.count() != len(d.inner.in):
			return fmt.Errorf("%w: the predecessor's packet sockets: %d to send, %d to receive from %d groups", ipsec.ErrInvalid, len(d.inner.out), len(d.inner.in), groups.count())
		case groups.count() == 0:
			return nil
		}
		d.logRules, err = newLogRules(o.Interface, groups)
		return err
	}
	list, err := openPackets(d.link.index, o.Workers, o.Batch)
	if !errors.Is(err, errNoMarks) {
		d.inner = packetConns{list, list}
		return err
	}
	if d.inner.out, err = openSenders(d.link.index, o.Workers); err != nil {
		return err
	}
	if d.inner.in, groups, err = openLogs(d.link.index, o.Workers, o.Batch); err != nil {
		return fmt.Errorf("%w (a kernel before Linux 5.19 needs it)", err)
	}
	if d.logRules, err = newLogRules(o.Interface, groups); err != nil {
		return err
	}
	o.Log.Info("this kernel is older than Linux 5.19, whose packet sockets tell marks; inner packets come from nftables and the packet log, which takes longer",
		"table", "netdev "+d.logRules.table().Name, "groups", groups[:groups.count()])
	return d.logRules.install()
}

// Working tells what keeps packets from going through, nil when nothing is known: without its interface no SA carries anything.
func (d *DataPlane) Working() error { return d.link.working() }

func (o *Options) defaults() {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = min(o.Workers, maxWorkers)
	if o.MaxChildren <= 0 {
		o.MaxChildren = 1 << 18
	}
	o.MaxChildren = max(o.Workers*2, min(o.MaxChildren, maxChildren))
	if o.Batch <= 0 {
		o.Batch = 32
	}
	if o.SequenceMargin == 0 {
		o.SequenceMargin = defaultMargin
	}
	o.Shared = o.Shared || o.TCP
	if o.InboundGrace == 0 {
		o.InboundGrace = time.Second
	}
	if o.Interface == "" {
		o.Interface = fmt.Sprintf("nwu%d", o.InterfaceID)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Workers implements ipsec.DataPlane.
func (d *DataPlane) Workers() int { return d.opts.Workers }

// Interface is the name of the xfrm interface.
func (d *DataPlane) Interface() string { return d.opts.Interface }

// Handle implements ipsec.DataPlane.
func (d *DataPlane) Handle(id ipsec.ChildID) (ipsec.Handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.children[id]
	if c == nil {
		return nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	return c, nil
}

// Mark is the mark (SO_MARK) that leads packets of this host's own sockets, or of a program in the kernel, through a child SA. It stays good until
// Delete. Options.Shared or TCP must be set.
func (d *DataPlane) Mark(id ipsec.ChildID) (uint32, error) {
	if !d.opts.Shared {
		return 0, fmt.Errorf("%w: marks are for data planes that are made with Shared or TCP", ipsec.ErrInvalid)
	}
	h, err := d.Handle(id)
	if err != nil {
		return 0, err
	}
	return h.(*child).mark(), nil
}

// find gives a generation that is not deleted.
func (d *DataPlane) find(id ipsec.ChildID, spi uint32) (*child, *generation, error) {
	c := d.children[id]
	if c == nil {
		return nil, nil, fmt.Errorf("%w: %d", ipsec.ErrUnknown, id)
	}
	for _, g := range c.generations {
		if g.spi == spi && !g.deleted {
			return c, g, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: %d has no generation with inbound SPI %08x", ipsec.ErrUnknown, id, spi)
}

// Close implements ipsec.DataPlane. It removes all that this data plane has in the kernel, unless a predecessor or a successor has it.
func (d *DataPlane) Close() error { return d.end(false) }

func (d *DataPlane) end(leave bool) error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	d.borrowed = d.borrowed || leave
	if d.sweeper != nil {
		d.sweeper.Stop()
	}
	errs := []error{d.endpoints.Close()}
	for _, c := range d.inner.all() {
		errs = append(errs, c.close())
	}
	if d.logRules != nil {
		errs = append(errs, d.logRules.close(!d.borrowed))
	}
	if d.unknown != nil {
		errs = append(errs, d.unknown.close())
	}
	if d.borrowed {
		d.forgetAll()
	}
	for _, c := range d.children {
		for _, g := range slices.Clone(c.generations) {
			d.finish(g, 0)
		}
	}
	clear(d.children)
	for g := range d.graces {
		d.remove(g)
	}
	if d.reports != nil {
		errs = append(errs, d.reports.listener.Close())
	}
	d.mu.Unlock()
	d.wg.Wait()
	if d.link != nil {
		errs = append(errs, d.link.close(d.borrowed))
	}
	if d.xfrm != nil {
		errs = append(errs, d.xfrm.Close())
	}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, os.ErrClosed) })...)
}
