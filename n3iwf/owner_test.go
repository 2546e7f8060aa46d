// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// bareOwner is an owner whose UEs have begun an IKE SA and nothing else.
func bareOwner(t *testing.T, ues int) (*owner, []*ue, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.NewTextHandler(&log, nil)), pool4: newAddressPool(nil, 0, 0), pool6: newAddressPool(nil, 0, 0)}
	nf.nodes = newNodes(nf)
	o := newOwner(nf, 0)
	nf.owners = []*owner{o}
	random := rand.NewChaCha8([32]byte{1})
	var list []*ue
	for range ues {
		session, _ := ikev2.NewInitiator(time.Unix(0, 0), ikev2.Options{
			IKE: suite.Default().IKE, ESP: suite.Default().ESP, Rand: random, EAP: true,
			Identity: ikev2.Identity{Type: message.ID_KEY_ID, Data: []byte{1}},
		}, ikev2.InitiatorOptions{}, ikev2.Path{})
		list = append(list, o.newUE(session, ikev2.Path{}))
	}
	return o, list, &log
}

func TestPanicEndsOnlyItsUE(t *testing.T) {
	o, ues, log := bareOwner(t, 3)
	var ran int
	require.True(t, o.forUE(ues[0], func() { ran++ }))
	require.True(t, o.forUE(ues[1], func() { panic("a defect") }))
	require.True(t, o.forUE(ues[1], func() { t.Error("a task for a UE that is gone") }))
	require.True(t, o.forUE(ues[2], func() { ran++ }))
	for _, task := range o.mail.take(nil) {
		task()
	}
	require.Equal(t, 2, ran)
	require.EqualValues(t, 1, o.nf.counters.Panics.Load())
	require.Contains(t, log.String(), "a defect")
	require.Contains(t, log.String(), "owner_test.go", "the stack is logged")
	require.False(t, ues[0].gone)
	require.True(t, ues[1].gone)
	require.False(t, ues[2].gone)
	require.Len(t, o.byRANID, 2)
	require.NotContains(t, o.byRANID, ues[1].ranID)
	require.NotContains(t, o.ues, ues[1].spi)
}

func TestMailboxRefusesOnlyWhatMayBeRefused(t *testing.T) {
	m := newMailbox(2)
	for range 2 {
		require.True(t, m.offer(func() {}))
	}
	require.False(t, m.offer(func() {}), "full")
	require.True(t, m.post(func() {}), "what must be heard is heard")
	require.Len(t, m.take(nil), 3)
	require.True(t, m.offer(func() {}))
	m.close()
	require.False(t, m.post(func() {}))
}

func TestTimersWakeUEsInOrder(t *testing.T) {
	const seed = 7
	o, ues, _ := bareOwner(t, 20)
	order := rand.New(rand.NewPCG(seed, seed)).Perm(len(ues))
	start := time.Unix(1000, 0)
	for i, at := range order {
		o.schedule(ues[i], start.Add(time.Duration(at+100)*time.Second))
		o.schedule(ues[i], start.Add(time.Duration(at)*time.Second)) // moved forward
	}
	o.schedule(ues[order[3]], time.Time{})
	require.Len(t, o.timers, len(ues)-1, "seed %d", seed)
	last := time.Time{}
	for len(o.timers) > 0 {
		u := o.timers[0]
		require.False(t, u.wakeAt.Before(last), "seed %d", seed)
		last = u.wakeAt
		o.schedule(u, time.Time{})
		require.Equal(t, -1, u.heapIndex)
	}
}
