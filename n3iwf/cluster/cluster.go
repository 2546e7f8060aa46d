// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Peer is another node.
type Peer struct {
	Node    int
	Address netip.AddrPort
}

// Options say how a Cluster is made. Log may be nil.
type Options struct {
	// Node is this node's number, 0 to 255.
	Node   int
	Listen netip.AddrPort
	Peers  []Peer
	Secret Secret
	// Hello is what the other node learns of this one before anything else.
	Hello   func() []byte
	Handler Handler
	Log     *slog.Logger
}

// Handler is told what happens. Calls about one node come one after the other; a call that takes long makes the other node wait.
type Handler interface {
	// Up: the other node is there and says hello. An error refuses it; the link is tried again later.
	Up(node int, hello []byte) error
	// Message brings a message. body belongs to the receiver.
	Message(node int, kind uint8, body []byte)
	// Down: the other node is gone, after an Up without error.
	Down(node int)
}

// Errors of sending.
var (
	ErrNoLink = errors.New("cluster: no link to the node")
	ErrClosed = errors.New("cluster: closed")
)

const (
	handshakeTime = 5 * time.Second
	// silence is how long a node may say nothing; heartbeats come three times as often.
	silence = 3 * time.Second
	// patience is how long a node may take nothing.
	patience   = 10 * time.Second
	queueSize  = 1024
	firstRetry = 100 * time.Millisecond
	lastRetry  = 3 * time.Second
)

// Cluster keeps the links of one node.
type Cluster struct {
	options  Options
	log      *slog.Logger
	tls      *tls.Config
	listener net.Listener
	ctx      context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	links map[int]*link
	known map[int]acquaintance
}

// acquaintance is a node that may have a link.
type acquaintance struct {
	Peer
	forget context.CancelFunc // ends calling it
}

// New listens and begins to call.
func New(o Options) (*Cluster, error) {
	config, err := o.Secret.tlsConfig()
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	c := &Cluster{options: o, log: o.Log, tls: config, links: map[int]*link{}, known: map[int]acquaintance{}}
	if err := o.check(o.Peers); err != nil {
		return nil, err
	}
	if c.listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(o.Listen)); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.running.Go(c.accept)
	return c, c.SetPeers(o.Peers)
}

func (o *Options) check(peers []Peer) error {
	seen := map[int]bool{}
	for _, p := range peers {
		if p.Node == o.Node || p.Node < 0 || p.Node > 255 || seen[p.Node] {
			return fmt.Errorf("cluster: peer node %d: give each other node once, 0 to 255", p.Node)
		}
		seen[p.Node] = true
	}
	return nil
}

// SetPeers replaces Options.Peers. The link to a node that is none of them any more ends, and one to a node that is called elsewhere now; others go on.
func (c *Cluster) SetPeers(peers []Peer) error {
	if err := c.options.check(peers); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	for node, a := range c.known {
		i := slices.IndexFunc(peers, func(p Peer) bool { return p.Node == node })
		if i >= 0 && (peers[i] == a.Peer || node < c.options.Node) { // which calls us, wherever it is
			continue
		}
		a.forget()
		delete(c.known, node)
		if l := c.links[node]; l != nil {
			_ = l.conn.Close() // whoever serves it sees that
		}
	}
	for _, p := range peers {
		if _, ok := c.known[p.Node]; ok {
			continue
		}
		ctx, forget := context.WithCancel(c.ctx)
		c.known[p.Node] = acquaintance{p, forget}
		if p.Node > c.options.Node {
			c.running.Go(func() { c.call(ctx, p) })
		}
	}
	return nil
}

// knows tells whether a node may have a link.
func (c *Cluster) knows(node int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.known[node]
	return ok
}

// Addr is where the node listens.
func (c *Cluster) Addr() netip.AddrPort { return c.listener.Addr().(*net.TCPAddr).AddrPort() }

// Nodes are the nodes with a link.
func (c *Cluster) Nodes() (list []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := range c.links {
		list = append(list, n)
	}
	return list
}

// Close ends all links and waits for what runs. It must not be called from the Handler.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.stop() // nothing begins any more
	c.mu.Unlock()
	err := c.listener.Close()
	c.running.Wait()
	return err
}

// Send puts a message into the queue of the link and waits for room. Errors: ErrNoLink, ErrTooLong, and the context's.
func (c *Cluster) Send(ctx context.Context, node int, kind uint8, body []byte) error {
	l, err := c.linkTo(node, kind, body)
	if err != nil {
		return err
	}
	select {
	case l.queue <- frame{kind, body}:
		return nil
	case <-l.done:
		return fmt.Errorf("%w %d", ErrNoLink, node)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Offer is Send for what may be lost: it tells false instead of waiting.
func (c *Cluster) Offer(node int, kind uint8, body []byte) bool {
	l, err := c.linkTo(node, kind, body)
	if err != nil {
		return false
	}
	select {
	case l.queue <- frame{kind, body}:
		return true
	default:
		return false
	}
}

func (c *Cluster) linkTo(node int, kind uint8, body []byte) (*link, error) {
	if len(body) > MaxBody || kind == helloKind {
		return nil, fmt.Errorf("%w: kind %d, %d octets", ErrTooLong, kind, len(body))
	}
	c.mu.Lock()
	l := c.links[node]
	c.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("%w %d", ErrNoLink, node)
	}
	return l, nil
}

func (c *Cluster) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if c.ctx.Err() != nil {
				return
			}
			c.log.Warn("cluster link not accepted", slog.Any("error", err))
			select {
			case <-c.ctx.Done():
				return
			case <-time.After(firstRetry):
			}
			continue
		}
		c.running.Go(func() {
			if err := c.serve(tls.Server(conn, c.tls), -1); err != nil && c.ctx.Err() == nil {
				c.log.Warn("cluster link", slog.String("peer", conn.RemoteAddr().String()), slog.Any("error", err))
			}
		})
	}
}

// call keeps the link to a node with a higher number, until ctx ends.
func (c *Cluster) call(ctx context.Context, p Peer) {
	wait := firstRetry
	said := ""
	for {
		dialer := net.Dialer{Timeout: handshakeTime}
		conn, err := dialer.DialContext(ctx, "tcp", p.Address.String())
		if err == nil {
			began := time.Now()
			err = c.serve(tls.Client(conn, c.tls), p.Node)
			if time.Since(began) > silence {
				wait, said = firstRetry, ""
			}
		}
		if ctx.Err() != nil {
			return
		}
		if s := fmt.Sprint(err); s != said {
			said = s
			c.log.Warn("no cluster link; trying again", slog.Int("node", p.Node), slog.String("address", p.Address.String()), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}
