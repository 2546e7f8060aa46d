// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// failing is an association that takes some messages and then fails, or takes no more until it is aborted.
type failing struct {
	transport.Association
	takes  int // -1: all
	stalls bool

	mu   sync.Mutex
	got  [][]byte
	dead chan struct{}
	once sync.Once
}

var errLost = errors.New("lost")

func (f *failing) Streams() int { return 4 }

func (f *failing) Send(ctx context.Context, _ uint16, pdu []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.takes < 0 || len(f.got) < f.takes {
		f.got = append(f.got, append([]byte(nil), pdu...))
		return nil
	}
	if f.stalls {
		select {
		case <-f.dead:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errLost
}

func (f *failing) Receive(ctx context.Context) (transport.Message, error) {
	select {
	case <-f.dead:
		return transport.Message{}, errLost
	case <-ctx.Done():
		return transport.Message{}, ctx.Err()
	}
}

func (f *failing) Abort(string) error {
	f.once.Do(func() { close(f.dead) })
	return nil
}

func (f *failing) Close() error { return nil }

// TestUnsentGoesElsewhere: what an association that is lost has not taken goes over another one: nothing is lost, comes twice or overtakes another message
// of its UE, while the UEs go on talking.
func TestUnsentGoesElsewhere(t *testing.T) {
	const ues = 8
	for name, first := range map[string]*failing{"a Send fails": {takes: 100}, "the AMF takes nothing": {takes: 50, stalls: true}} {
		t.Run(name, func(t *testing.T) {
			each := uint32(outboxSize / 2 / ues)
			if first.stalls {
				each = 2*outboxSize/ues - 24 // more than may wait, and no more than is kept until it is aborted
			}
			location, err := ngap.NewUserLocationInformationN3IWF(netip.MustParseAddrPort("192.0.2.1:500"), nil)
			require.NoError(t, err)
			nf := &N3IWF{log: slog.New(slog.DiscardHandler)}
			ng := newNGConnection(&amf{nf: nf, log: nf.log}, &amfDescription{})
			ng.ctx, ng.end = context.WithCancelCause(t.Context())
			second := &failing{takes: -1, dead: make(chan struct{})}
			first.dead = make(chan struct{})
			a, b := ng.add(nil, 1, 1, ngap.TNLAssociationUsageBoth), ng.add(nil, 2, 1, ngap.TNLAssociationUsageBoth)
			a.attach(first)
			b.attach(second)
			for ran := range uint32(ues) {
				ng.bindTNLA(ran, a)
			}
			var running sync.WaitGroup
			running.Go(func() {
				_ = a.run(first)
				if !a.detach() {
					t.Error("no association is left")
				}
			})
			running.Go(func() { _ = b.run(second) })
			var senders sync.WaitGroup
			for ran := range uint32(ues) {
				senders.Go(func() {
					for i := range each {
						m := &ngap.UplinkNASTransport{RANUENGAPID: ngap.RANUENGAPID(ran), NASPDU: binary.BigEndian.AppendUint32(nil, i), UserLocationInformation: location}
						if !ng.send(ran, m) {
							t.Error("not taken")
						}
					}
				})
			}
			senders.Wait()
			received := func() [][]byte {
				first.mu.Lock()
				defer first.mu.Unlock()
				second.mu.Lock()
				defer second.mu.Unlock()
				return append(append([][]byte(nil), first.got...), second.got...)
			}
			require.Eventually(t, func() bool { return len(received()) >= int(ues*each) }, 20*time.Second, time.Millisecond)
			next := map[ngap.RANUENGAPID]uint32{}
			for _, b := range received() {
				pdu, err := ngap.Decode(b)
				require.NoError(t, err)
				m := pdu.Message.(*ngap.UplinkNASTransport)
				require.Equal(t, next[m.RANUENGAPID], binary.BigEndian.Uint32(m.NASPDU), "of UE %d", m.RANUENGAPID)
				next[m.RANUENGAPID]++
			}
			require.Len(t, received(), int(ues*each))
			require.Len(t, first.got, first.takes)
			ng.end(nil)
			running.Wait()
		})
	}
}
