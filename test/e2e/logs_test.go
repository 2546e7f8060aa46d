// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/lograte"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// secrets are what must never be in a log.
type secrets struct {
	mu   sync.Mutex
	keys map[string][]byte
}

func (s *secrets) add(name string, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(key) > 0 {
		s.keys[fmt.Sprintf("%s %d", name, len(s.keys))] = append([]byte(nil), key...)
	}
}

func (s *secrets) IKE(_, _ message.SPI, _ suite.IKE, k *suite.IKEKeys) {
	for name, key := range map[string][]byte{"SK_d": k.D, "SK_ei": k.EI, "SK_er": k.ER, "SK_pi": k.PI, "SK_pr": k.PR} {
		s.add(name, key)
	}
}

func (s *secrets) Child(c *ikev2.ChildSA) {
	s.add("ESP in", c.InboundKeys.Encr)
	s.add("ESP out", c.OutboundKeys.Encr)
}

// writings are how a log may show octets.
func writings(key []byte) []string {
	text := hex.EncodeToString(key)
	decimal := strings.Trim(fmt.Sprintf("%d", key), "[]")
	return []string{text, strings.ToUpper(text), decimal, strings.ReplaceAll(decimal, " ", ","), base64.StdEncoding.EncodeToString(key), string(key)}
}

// life is a UE's whole life, with moves, rekeys, a second UE that is refused, and a stranger; what the N3IWF has logged of it at level debug.
func life(t *testing.T, w *world, found *secrets, imsi string) string {
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.IMSI, o.KeyLog = imsi, found })
	w.register(u)
	found.add("K_N3IWF", u.KN3IWF())
	s := w.session(u)
	require.NotNil(t, s)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	require.NoError(t, w.within(u.RekeyChildren))
	require.NoError(t, w.within(u.RekeyIKE))
	refused := w.ue(1, func(o *ue.Options) { o.Subscriber.IMSI, o.Subscriber.Key.K[0] = imsi, 0; o.KeyLog = found })
	require.Error(t, w.within(refused.Register))
	_, err := strangers(w, 1)[0].WriteToUDPAddrPort(badInit, ikeAt(w))
	require.NoError(t, err)
	w.logged("n3iwf", "IKE_SA_INIT refused")
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	w.logged("n3iwf", "IKE SA ended")
	var lines []string
	for line := range strings.Lines(w.text.tail(8 << 20)) {
		if strings.Contains(line, "who=n3iwf") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// badInit is an IKE_SA_INIT request whose only payload is longer than the message.
var badInit = []byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0x20, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 1, 0}

const (
	secretMSIN = "8273645019"
	secretIMSI = "00101" + secretMSIN
)

// TestLogSecrets: no key and no identity of a subscriber is in the log of the N3IWF at its most talkative, unless the operator wants identities.
func TestLogSecrets(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, identities := range map[string]bool{"default": false, "debug.identities": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.Debug.Identities = identities }, "anySubscriber: true")
			found := &secrets{keys: map[string][]byte{}}
			one := w.options(0).Subscriber.Key
			found.add("K", one.K[:])
			found.add("OPc", one.OPc[:])
			log := life(t, w, found, secretIMSI)
			require.Contains(t, log, "level=DEBUG", "the log is at its most talkative")
			require.Greater(t, len(found.keys), 15)
			for name, key := range found.keys {
				for _, text := range writings(key) {
					require.NotContains(t, log, text, name)
				}
			}
			if identities {
				require.Contains(t, log, "identity=suci-0-001-01-0-0-0-"+secretMSIN)
				require.Contains(t, log, "ue=")
				return
			}
			bcd := "28374605 91" // the MSIN as NAS has it
			for _, text := range []string{secretIMSI, secretMSIN, strings.ReplaceAll(bcd, " ", ""), "suci", "guti"} {
				require.NotContains(t, strings.ToLower(log), text)
			}
		})
	}
}

// TestLogCorrelation: every line about a UE, from IKE, NAS, NGAP and the user plane, has the same number of it.
func TestLogCorrelation(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	log := life(t, w, &secrets{keys: map[string][]byte{}}, imsi(0))
	number := regexp.MustCompile(` ue=(\d+)`)
	registers := regexp.MustCompile(`msg="UE registers" who=n3iwf ue=(\d+) path=\S+-` + regexp.QuoteMeta(w.addr(10).String())).FindStringSubmatch(log)
	require.NotNil(t, registers, log)
	of := map[string]string{} // the messages of that UE
	for line := range strings.Lines(log) {
		found := number.FindStringSubmatch(line)
		about := strings.Contains(line, w.addr(10).String()) || strings.Contains(line, w.addr(30).String()) || strings.Contains(line, "pdu_session")
		require.False(t, about && found == nil, "a line about a UE without its number: %s", line)
		if found == nil {
			continue
		}
		require.False(t, about && found[1] != registers[1], "a line with another number: %s", line)
		if found[1] == registers[1] {
			message := regexp.MustCompile(`msg=("[^"]*"|\S+)`).FindStringSubmatch(line)[1]
			of[strings.Trim(message, `"`)] = line
		}
	}
	for _, want := range []string{"UE registers", "UE authenticated", "PDU session is up", "UE moved", "PDU sessions released", "UE released by the AMF", "IKE SA ended"} {
		require.Contains(t, of, want)
	}
}

// TestLogFlood: a stranger cannot fill the log, and what was left out is told.
func TestLogFlood(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const limit, flood = 5, 3000
	w := newWorld(t, func(c *config.Config) { c.Log.LinesPerSecond = limit })
	stranger := strangers(w, 1)[0]
	start := time.Now()
	send := func() {
		_, err := stranger.WriteToUDPAddrPort(badInit, ikeAt(w))
		require.NoError(t, err)
	}
	paced(flood, send)
	w.until("a line that tells what was left out", func() bool {
		send()
		return w.text.has("who=n3iwf", "IKE_SA_INIT refused", lograte.LeftOut)
	})
	lines := strings.Count(w.text.tail(8<<20), "IKE_SA_INIT refused")
	require.Positive(t, lines)
	require.LessOrEqual(t, lines, limit*(int(time.Since(start)/time.Second)+2))
	w.online(0) // and the N3IWF goes on
}

// ikeAt is the N3IWF's port of IKE.
func ikeAt(w *world) netip.AddrPort { return netip.AddrPortFrom(w.addr(hostN3IWF), w.ikePort()) }
