// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// puppetStack is the TCP of a Puppet: plain octet streams through its signalling SA.
type puppetStack struct {
	stack   *stack.Stack
	link    *channel.Endpoint
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newPuppetStack(p *Puppet) (*puppetStack, error) {
	s := &puppetStack{
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		}),
		link: channel.New(256, 1280, ""),
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	if err := s.stack.CreateNIC(1, s.link); err != nil {
		return nil, fmt.Errorf("interface: %s", err)
	}
	address := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFromSlice(p.inner.AsSlice()).WithPrefix()}
	if err := s.stack.AddProtocolAddress(1, address, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("address %s: %s", p.inner, err)
	}
	s.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
	s.running.Go(func() {
		for {
			packet := s.link.ReadContext(ctx)
			if packet == nil {
				return
			}
			view := packet.ToView()
			packet.DecRef()
			if c := p.Child(0, false); c != nil && c.out != nil {
				_ = p.sendESP(c, view.AsSlice()) // TCP repeats it
			}
			view.Release()
		}
	})
	return s, nil
}

func (s *puppetStack) input(packet []byte) {
	b := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	s.link.InjectInbound(ipv4.ProtocolNumber, b)
	b.DecRef()
}

func (s *puppetStack) close() {
	s.stop()
	s.running.Wait()
	s.link.Close()
	s.stack.Destroy()
}

// puppetLine is one TCP connection.
type puppetLine struct {
	conn net.Conn
	over bool // the N3IWF has closed it
}

// Connect opens a TCP connection to the N3IWF, and uses it from now on. One that is there stays as it is.
func (p *Puppet) Connect(ctx context.Context) error {
	p.mu.Lock()
	var err error
	if p.stack == nil {
		p.stack, err = newPuppetStack(p)
	}
	s, to := p.stack, p.nasAt
	p.mu.Unlock()
	if err != nil {
		return err
	}
	conn, err := gonet.DialContextTCP(ctx, s.stack, tcpip.FullAddress{Addr: tcpip.AddrFromSlice(to.Addr().AsSlice()), Port: to.Port()}, ipv4.ProtocolNumber)
	if err != nil {
		return fmt.Errorf("TCP to %s: %w", to, err)
	}
	l := &puppetLine{conn: conn}
	p.mu.Lock()
	p.line = l
	p.lines = append(p.lines, l)
	p.mu.Unlock()
	p.running.Go(func() { p.listen(l) })
	return nil
}

// listen takes NAS messages off a connection.
func (p *Puppet) listen(l *puppetLine) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.over = true
		p.happened()
	}()
	for {
		var length [2]byte
		if _, err := io.ReadFull(l.conn, length[:]); err != nil {
			return
		}
		pdu := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(l.conn, pdu); err != nil {
			return
		}
		p.mu.Lock()
		if err := p.downlinkNAS(pdu); err != nil {
			p.o.Logger.Warn("downlink NAS", "error", err)
		}
		p.happened()
		p.mu.Unlock()
	}
}

// write sends a NAS message in its envelope.
func (l *puppetLine) write(pdu []byte) error {
	_, err := l.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(pdu))), pdu...))
	return err
}

// WriteTCP sends octets over the connection, whatever they are.
func (p *Puppet) WriteTCP(b []byte) error {
	p.mu.Lock()
	l := p.line
	p.mu.Unlock()
	_, err := l.conn.Write(b)
	return err
}

// CloseTCP ends the connection in good order.
func (p *Puppet) CloseTCP() error {
	p.mu.Lock()
	l := p.line
	p.mu.Unlock()
	return l.conn.Close()
}

// Connections is how many connections there have been.
func (p *Puppet) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}
