// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// describe names a datagram for the timeline.
func describe(d ikev2.Datagram) string {
	if d.Keepalive {
		return "keepalive"
	}
	return describeIKE(d.Data)
}

func describeIKE(d []byte) string {
	h, err := message.DecodeHeader(d)
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%v, %d octets", h, len(d))
	if k, ok := contentOf(d); ok && k.parts > 0 {
		s += fmt.Sprintf(", part %d of %d", k.part, k.parts)
	}
	return s
}

func describeEvent(ev ikev2.Event) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", ev), "ikev2.")
	child := func(c *ikev2.ChildSA) string {
		return fmt.Sprintf("%s purpose %v, in %08x, out %08x, initiator %v", name, c.Tag, c.InboundSPI, c.OutboundSPI, c.Initiator)
	}
	switch ev := ev.(type) {
	case ikev2.ChildUp:
		return child(ev.Child) + fmt.Sprintf(", replaces %08x", ev.Replaces)
	case ikev2.ChildDown:
		return child(ev.Child) + fmt.Sprintf(", by peer %v, superseded %v", ev.ByPeer, ev.Superseded)
	case ikev2.ChildSwitched:
		return child(ev.Child)
	case ikev2.Closed:
		return fmt.Sprintf("%s: %v, by peer %v", name, ev.Reason, ev.ByPeer)
	case ikev2.InfoReceived, ikev2.AuthRequest:
		return name
	}
	return fmt.Sprintf("%s %+v", name, ev)
}
