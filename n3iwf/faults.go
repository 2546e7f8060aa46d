// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"strings"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// countSent counts a message to the AMF, and what it says to have gone wrong.
func (c *Counters) countSent(m ngap.Message) {
	c.NGAPSent.Add(ngap.Name(m))
	c.countFault("sent", m)
}

// countReceived does the same for one of the AMF, which may be of a procedure that is not known.
func (c *Counters) countReceived(pdu *ngap.PDU) {
	c.NGAPReceived.Add(pdu.Name())
	if pdu.Message != nil {
		c.countFault("received", pdu.Message)
	}
}

func (c *Counters) countFault(direction string, m ngap.Message) {
	if procedure, cause, ok := ngap.Fault(m); ok {
		c.NGAPFaults.Add(Words(direction, procedure.String(), cause.String()))
	}
}

// wordsApart stands between the parts of what a Tally counts by several labels.
const wordsApart = "\x00"

// Words makes one word of several.
func Words(parts ...string) string { return strings.Join(parts, wordsApart) }

// SplitWords gives the n parts of Words; what a full Tally counts together is "other" in all of them.
func SplitWords(word string, n int) []string {
	parts := strings.Split(word, wordsApart)
	if len(parts) == n {
		return parts
	}
	parts = make([]string, n)
	for i := range parts {
		parts[i] = otherWord
	}
	return parts
}

// forbiddenNetwork is a reason of refusedInit.
const forbiddenNetwork = "forbidden-network"

// refuseInit counts an IKE_SA_INIT request that is not served.
func (c *Counters) refuseInit(reason string) {
	c.IKERefused.Add(1)
	c.IKERefusedFor.Add(reason)
}

// initRefusal names why Responder.Init gave no session: a word of a small set.
func initRefusal(err error) string {
	var (
		notify   *ikev2.NotifyError
		critical *message.UnsupportedCritical
		version  *message.UnsupportedVersion
	)
	switch {
	case errors.Is(err, ikev2.ErrHalfOpenLimit):
		return "half-open-limit"
	case errors.Is(err, ikev2.ErrRedirected):
		return "redirected"
	case errors.Is(err, ikev2.ErrNotInit):
		return "not-a-request"
	case errors.Is(err, suite.ErrNoProposalChosen):
		return message.NO_PROPOSAL_CHOSEN.String()
	case errors.As(err, &notify):
		return notify.Type.String()
	case errors.As(err, &critical):
		return message.UNSUPPORTED_CRITICAL_PAYLOAD.String()
	case errors.As(err, &version):
		return message.INVALID_MAJOR_VERSION.String()
	}
	return "malformed"
}

// Results of a move.
const (
	moveDone     = "moved"
	moveRefused  = "refused"
	moveUnproven = "unproven"
)

// countMove counts a move by what has changed and how it ended.
func (c *Counters) countMove(kind, result string) { c.MovesBy.Add(Words(kind, result)) }
