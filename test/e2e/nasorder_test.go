// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// numberedNAS is the first octet of messages that no UE understands; the second one is their number.
const numberedNAS = 0x7f

// numbers are those of the messages that a UE has got.
type numbers struct {
	mu  sync.Mutex
	got []byte
}

func (n *numbers) listen(o *ue.Options) {
	o.HearNAS = func(pdu []byte) {
		if pdu[0] == numberedNAS {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.got = append(n.got, pdu[1])
		}
	}
}

// until gives what a UE has got before a message that is sent to it now.
func (n *numbers) until(w *world, i int) (before []byte) {
	w.t.Helper()
	const last = 255
	require.NoError(w.t, w.core.Send(imsi(i), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: []byte{numberedNAS, last}}
	}))
	w.until("the last message", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		at := bytes.IndexByte(n.got, last)
		if at >= 0 {
			before = n.got[:at]
		}
		return at >= 0
	})
	return before
}

// TestNASKeepsItsOrder: the accept of a PDU session is for the UE when its child SAs are there. What the AMF sends meanwhile, here the command to release
// another PDU session, comes behind it: the UE would take an accept that has been overtaken for a replay.
func TestNASKeepsItsOrder(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, _ := w.online(0)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, true) })) // it refuses child SAs for now
	done := make(chan error, 1)
	go func() {
		_, err := sessionTwo(w, u)
		done <- err
	}()
	w.until("the request for the session", func() bool { return len(w.core.State().UEs[0].Sessions) == 2 })
	require.NoError(t, w.core.ReleaseSession(imsi(0), 1))
	r, _ := next[*ngap.PDUSessionResourceReleaseResponse](h) // the command is on its way
	require.Len(t, r.PDUSessionResourceReleasedListRelRes, 1)
	require.Len(t, u.State().Sessions, 1, "but not at the UE")
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Busy(ctx, false) }))
	require.NoError(t, <-done)
	w.until("the release of session 1", func() bool {
		s := w.core.State().UEs[0].Sessions
		return len(s) == 1 && s[0].ID == 2 && len(u.State().Sessions) == 1 && u.Session(1) == nil
	})
	require.NotNil(t, u.Session(2))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}
