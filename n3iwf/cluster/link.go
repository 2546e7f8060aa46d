// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// heartbeatKind is a frame without meaning.
const heartbeatKind = 255

type frame struct {
	kind uint8
	body []byte
}

// link is one connection that has said hello.
type link struct {
	node  int
	conn  net.Conn
	queue chan frame
	done  chan struct{} // closed when nothing more is sent
	ended chan struct{} // closed after Down
}

// serve runs a connection until it ends. want is the node that was called, -1 for one that calls.
func (c *Cluster) serve(conn *tls.Conn, want int) error {
	stop := context.AfterFunc(c.ctx, func() { _ = conn.Close() })
	defer stop()
	defer func() { _ = conn.Close() }() // it has ended already, or does so now
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return err
	}
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	node, hello, err := c.greet(conn)
	if err != nil {
		return err
	}
	switch {
	case want >= 0 && node != want:
		return fmt.Errorf("node %d answers where node %d should be; correct cluster.peers", node, want)
	case !c.knows(node) || want < 0 && node > c.options.Node:
		return fmt.Errorf("node %d calls, which is not for it to do here; correct cluster.peers", node)
	}
	l := &link{node: node, conn: conn, queue: make(chan frame, queueSize), done: make(chan struct{}), ended: make(chan struct{})}
	defer close(l.ended)
	defer c.forget(l)
	old, ok := c.replace(l)
	if !ok {
		return fmt.Errorf("node %d is none of cluster.peers any more", node)
	}
	if old != nil { // the node has called anew before we saw that the former link is dead
		_ = old.conn.Close()
		<-old.ended
	}
	if err := c.options.Handler.Up(node, hello); err != nil {
		close(l.done)
		return err
	}
	c.log.Info("cluster link is up", slog.Int("node", node))
	writing := make(chan error, 1)
	go func() {
		writing <- l.write()
		_ = conn.Close()
	}()
	err = c.read(conn, l)
	close(l.done)
	if werr := <-writing; errors.Is(err, net.ErrClosed) {
		err = werr
	}
	c.forget(l)
	c.options.Handler.Down(node)
	c.log.Warn("cluster link is down", slog.Int("node", node), slog.Any("reason", err))
	return err
}

// greet exchanges the first frames.
func (c *Cluster) greet(conn net.Conn) (node int, hello []byte, err error) {
	if err := writeFrame(conn, helloKind, append([]byte{byte(c.options.Node)}, c.options.Hello()...)); err != nil {
		return 0, nil, err
	}
	kind, body, err := readFrame(conn)
	if err != nil {
		return 0, nil, fmt.Errorf("no hello: %w", err)
	}
	if kind != helloKind || len(body) < 1 {
		return 0, nil, errors.New("the first frame is no hello; run the same version at all nodes")
	}
	return int(body[0]), body[1:], nil
}

// replace makes l the link of its node; false when that has been forgotten meanwhile.
func (c *Cluster) replace(l *link) (old *link, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.known[l.node]; !ok {
		return nil, false
	}
	old = c.links[l.node]
	c.links[l.node] = l
	return old, true
}

// forget makes l the link of its node no more.
func (c *Cluster) forget(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[l.node] == l {
		delete(c.links, l.node)
	}
}

// write sends what is queued, as much at a time as there is, and heartbeats.
func (l *link) write() error {
	w := bufio.NewWriterSize(l.conn, 64<<10)
	beat := time.NewTicker(silence / 3)
	defer beat.Stop()
	for {
		var f frame
		select {
		case f = <-l.queue:
		case <-beat.C:
			f = frame{kind: heartbeatKind}
		case <-l.done:
			return net.ErrClosed
		}
		if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if err := writeFrame(w, f.kind, f.body); err != nil {
			return err
		}
		if len(l.queue) == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

func (c *Cluster) read(conn net.Conn, l *link) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		kind, body, err := readFrame(r)
		if err != nil {
			return err
		}
		if kind != heartbeatKind && kind != helloKind {
			c.options.Handler.Message(l.node, kind, body)
		}
	}
}
