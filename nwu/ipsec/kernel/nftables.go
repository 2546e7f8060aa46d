// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// logRules are the rules that send inner packets to the log; see nflog.go. They are in a table of their own, whose name holds that of the xfrm
// interface, on the interface's own ingress: behind the programs of tc (see gre/ebpf), before anything that a host's firewall does or puts together, and no
// other packet of the host meets them. They change nothing, and what they have logged goes on.
type logRules struct {
	conn   *nftables.Conn
	socket *netlink.Conn // of conn
	link   string
	groups logGroups
	events *os.File // of the kernel's tables
	rc     syscall.RawConn
}

const (
	tablePrefix = "n3iwf_"
	chainName   = "inner"
	// recheck is how long after the kernel told of a change the rules are looked for again: a change tells of itself many times.
	recheck = 20 * time.Millisecond
	// retry is when what the kernel has refused is tried again.
	retry = time.Second
	// answerTime is what the kernel's answer may take; it is there at once, or never.
	answerTime = 5 * time.Second
)

// newLogRules is for the groups of the workers' sockets. The sockets are of the network namespace of the calling thread.
func newLogRules(link string, groups logGroups) (*logRules, error) {
	r := &logRules{link: link, groups: groups}
	if err := r.connect(); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink socket of netfilter: %w", err), r.close(false))
	}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
	r.events = os.NewFile(uintptr(fd), "nftables events")
	if err == nil {
		r.rc, err = r.events.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("changes of nftables: %w", err), r.close(false))
	}
	return r, nil
}

func (r *logRules) connect() error {
	var socket *netlink.Conn
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error { socket = c; return nil }))
	if err != nil {
		return fmt.Errorf("nftables: %w", err)
	}
	r.conn, r.socket = conn, socket
	return nil
}

// ask has f talk with the kernel. Answers to what has failed may be on their way still, and nobody should take them for those to what comes next.
func (r *logRules) ask(f func() error) error {
	err := r.socket.SetDeadline(time.Now().Add(answerTime))
	if err == nil {
		err = f()
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return err
	}
	former := r.conn
	if failed := r.connect(); failed != nil {
		return errors.Join(err, failed)
	}
	return errors.Join(err, former.CloseLasting())
}

func (r *logRules) table() *nftables.Table {
	return &nftables.Table{Name: tablePrefix + r.link, Family: nftables.TableFamilyNetdev}
}

// install makes the table, in one step in the place of one that is there: that of a crashed process, or what somebody has left of it.
func (r *logRules) install() error {
	t := r.conn.AddTable(r.table())
	r.conn.DelTable(t)
	r.conn.AddTable(t)
	chain := r.conn.AddChain(&nftables.Chain{
		Name: chainName, Table: t, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress, Priority: nftables.ChainPriorityFirst, Device: r.link,
	})
	n := r.groups.count()
	for i, group := range r.groups[:n] {
		var list []expr.Any
		if n > 1 {
			mask := uint32(n-1) << lowBits
			list = []expr.Any{
				&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
				&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(mask), Xor: native(0)},
				&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: native(uint32(i) << lowBits)},
			}
		}
		list = append(list, &expr.Log{Key: 1 << unix.NFTA_LOG_GROUP, Group: group})
		r.conn.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: list})
	}
	if err := r.ask(r.conn.Flush); err != nil {
		return fmt.Errorf("rules of nftables on %s (CONFIG_NF_TABLES_NETDEV, CONFIG_NFT_LOG): %w", r.link, err)
	}
	return nil
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// installed tells whether all rules are there.
func (r *logRules) installed() (bool, error) {
	n := 0
	err := r.ask(func() error {
		list, err := r.conn.GetRules(r.table(), &nftables.Chain{Name: chainName})
		n = len(list)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return n == r.groups.count(), err
}

// watch keeps the rules: who loads a firewall anew often clears all tables first, and without its rules no UE is heard any more. It returns when the rules
// are closed.
func (r *logRules) watch(d *DataPlane) {
	for {
		// What the kernel has to tell matters not, nor that it has more to tell than it can keep.
		var b [64]byte
		gone := r.rc.Read(func(fd uintptr) bool {
			told := false
			for {
				switch _, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_DONTWAIT); err {
				case nil, unix.ENOBUFS, unix.EINTR:
					told = true
				default:
					return told
				}
			}
		})
		if gone != nil {
			return
		}
		for kept := false; !kept; {
			d.mu.Lock()
			kept = d.keepLogRules()
			d.mu.Unlock()
			if !kept {
				time.Sleep(retry)
			}
		}
		time.Sleep(recheck)
	}
}

// keepLogRules puts the rules back when somebody has removed them, and tells whether all is well. It is called under d.mu.
func (d *DataPlane) keepLogRules() bool {
	if d.closed || d.borrowed || d.logRules == nil {
		return true
	}
	there, err := d.logRules.installed()
	if there {
		return true
	}
	table := "netdev " + d.logRules.table().Name
	if err == nil {
		err = d.logRules.install()
	}
	if err != nil {
		d.opts.Log.Error("the rules of nftables by which inner packets come are gone, or not to be found, and cannot be put back now; this is tried again",
			"table", table, "error", err)
		return false
	}
	d.opts.Log.Warn("somebody has removed the rules of nftables by which inner packets come; they are back, and packets in between are lost", "table", table)
	return true
}

// close removes the table, if it is to be removed.
func (r *logRules) close(remove bool) error {
	var errs []error
	if remove {
		r.conn.AddTable(r.table()) // it may be gone
		r.conn.DelTable(r.table())
		errs = append(errs, r.ask(r.conn.Flush))
	}
	errs = append(errs, r.conn.CloseLasting())
	if r.events != nil {
		errs = append(errs, r.events.Close())
	}
	return errors.Join(errs...)
}
