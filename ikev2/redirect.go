// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Gateway names another responder (RFC 5685 6): by its address, or by its FQDN when the address is not set.
type Gateway struct {
	Addr netip.Addr
	Name string
}

// IsZero tells whether it names nobody.
func (g Gateway) IsZero() bool { return g == Gateway{} }

func (g Gateway) String() string {
	if g.Addr.IsValid() {
		return g.Addr.String()
	}
	return g.Name
}

// GW Ident Types (RFC 5685 6.2).
const (
	gatewayIPv4 = 1
	gatewayIPv6 = 2
	gatewayFQDN = 3
)

// append appends type | length | identity.
func (g Gateway) append(b []byte) []byte {
	a := g.Addr.Unmap().WithZone("")
	switch {
	case a.Is4():
		b = append(b, gatewayIPv4, 4)
	case a.Is6():
		b = append(b, gatewayIPv6, 16)
	default:
		name := g.Name[:min(len(g.Name), 255)]
		return append(append(b, gatewayFQDN, byte(len(name))), name...)
	}
	return append(b, a.AsSlice()...)
}

// parseGateway reads type | length | identity, and gives what follows: the nonce data of an IKE_SA_INIT response.
func parseGateway(b []byte) (g Gateway, rest []byte, ok bool) {
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return g, nil, false
	}
	id, rest := b[2:2+int(b[1])], b[2+int(b[1]):]
	switch {
	case b[0] == gatewayIPv4 && len(id) == 4, b[0] == gatewayIPv6 && len(id) == 16:
		g.Addr, _ = netip.AddrFromSlice(id)
	case b[0] == gatewayFQDN && len(id) > 0 && !slices.ContainsFunc(id, func(c byte) bool { return c <= ' ' || c > '~' }):
		g.Name = string(id)
	default:
		return g, nil, false
	}
	return g, rest, true
}

func redirectNotify(to Gateway, nonce []byte) *message.Notify {
	return notify(message.REDIRECT, append(to.append(nil), nonce...))
}

// An initiator that was redirected so often within this time goes round in circles (RFC 5685 10).
const (
	maxRedirects   = 5
	redirectPeriod = 300 * time.Second
)

// redirection is what a session knows about redirects.
type redirection struct {
	able  bool        // an initiator said that it can be redirected
	from  Gateway     // an initiator's former gateway
	times []time.Time // of an initiator's redirects that led to this session
}

// Redirected (initiator) says that the gateway sends us to another one. Follow makes the options of the new session.
// In IKE_SA_INIT and IKE_AUTH the session is closed with ErrRedirected; otherwise it goes on, and the owner deletes it
// when the new one is up.
type Redirected struct {
	To    Gateway
	from  Gateway
	times []time.Time
}

// ErrRedirectLoop says that there were too many redirects in a short time.
var ErrRedirectLoop = errors.New("ikev2: redirected in circles")

// Follow adds the redirect to the options of a session, with which NewInitiator then starts one towards To. It fails
// with ErrRedirectLoop after more than 5 redirects in 5 minutes (RFC 5685 10): then the owner stays with a gateway by
// starting a session with options that have no AcceptRedirect.
func (e Redirected) Follow(now time.Time, want InitiatorOptions) (InitiatorOptions, error) {
	times := slices.DeleteFunc(slices.Clone(e.times), func(t time.Time) bool { return now.Sub(t) >= redirectPeriod })
	if len(times) >= maxRedirects {
		return want, ErrRedirectLoop
	}
	want.AcceptRedirect = true
	want.redirect = redirection{from: e.from, times: append(times, now)}
	return want, nil
}

// redirectAbility is the notify of an initiator's IKE_SA_INIT request: it can be redirected, or has been.
func (s *Session) redirectAbility() []message.Payload {
	switch {
	case !s.redirect.able:
		return nil
	case !s.redirect.from.IsZero():
		return []message.Payload{notify(message.REDIRECTED_FROM, s.redirect.from.append(nil))}
	}
	return []message.Payload{notify(message.REDIRECT_SUPPORTED, nil)}
}

// redirected tells the owner about a REDIRECT notify, whose nonce data must be nonce. It returns false when there is
// none that counts.
func (s *Session) redirected(n *message.Notify, nonce []byte) bool {
	if n == nil || !s.origInitiator || !s.redirect.able {
		return false
	}
	to, rest, ok := parseGateway(n.Data)
	if !ok || !bytes.Equal(rest, nonce) {
		return false
	}
	s.emit(Redirected{To: to, from: Gateway{Addr: s.path.Remote.Addr().Unmap()}, times: s.redirect.times})
	return true
}

// redirectInit answers an IKE_SA_INIT request with a REDIRECT when the owner wants that and the initiator can take it.
// It leaves no state.
func (r *Responder) redirectInit(path Path, h message.Header, payloads []message.Payload, ni []byte) []Datagram {
	able, from := redirectable(payloads)
	redirect := r.policy.Load().Redirect
	if redirect == nil || !able {
		return nil
	}
	to := redirect(path, from)
	if to.IsZero() || to == from {
		return nil // not back to where it was sent away
	}
	return plainAnswer(path, h, redirectNotify(to, ni))
}

// redirectable tells whether the initiator of an IKE_SA_INIT request can be redirected, and whence it was already.
func redirectable(payloads []message.Payload) (able bool, from Gateway) {
	if n := message.GetNotify(payloads, message.REDIRECTED_FROM); n != nil {
		from, _, able = parseGateway(n.Data)
	}
	return able || message.GetNotify(payloads, message.REDIRECT_SUPPORTED) != nil, from
}

// Redirectable (responder) tells whether the peer can be redirected.
func (s *Session) Redirectable() bool { return !s.origInitiator && s.redirect.able }

// Redirect (responder) asks the peer of an established session to go to another gateway (RFC 5685 5). It ends with
// InfoDone: the peer has heard it, and will delete this session when it has its new one. A peer that is not
// Redirectable is not asked.
func (s *Session) Redirect(now time.Time, tag any, to Gateway) Output {
	if !s.Redirectable() || to.IsZero() {
		s.begin(now)
		s.emit(InfoDone{Tag: tag, Err: ErrState})
		return s.finish()
	}
	return s.Notify(now, tag, redirectNotify(to, nil))
}
