// SPDX-License-Identifier: Apache-2.0

package ikev2_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Two sessions without a network between them: each gives datagrams, which are handed to the other. The one that began moves to
// another address, and both Child SAs go with it.
func Example() {
	psk := &ikev2.PSK{Secret: func(ikev2.Identity) ([]byte, error) { return []byte("a shared secret"), nil }}
	profile := suite.Default()
	options := ikev2.Options{IKE: profile.IKE, ESP: profile.ESP, Prove: psk, Verify: psk, Routability: ikev2.RoutabilityOff}
	now := time.Now()

	gateway := options
	gateway.Identity = ikev2.Identity{Type: message.ID_FQDN, Data: []byte("gateway.example.org")}
	front := ikev2.NewResponder(gateway)
	var there *ikev2.Session

	client := options
	client.Identity = ikev2.Identity{Type: message.ID_FQDN, Data: []byte("client.example.org")}
	all := []message.TrafficSelector{message.AnyIPv4}
	from, to := netip.MustParseAddrPort("198.51.100.7:4500"), netip.MustParseAddrPort("192.0.2.1:4500")
	here, out := ikev2.NewInitiator(now, client, ikev2.InitiatorOptions{Child: ikev2.ChildRequest{LocalTS: all, RemoteTS: all}},
		ikev2.Path{Local: from, Remote: to, NATT: true})

	// deliver does what an owner does: it runs the expensive work, answers events, and takes datagrams to the other side.
	var deliver func(s *ikev2.Session, out ikev2.Output)
	deliver = func(s *ikev2.Session, out ikev2.Output) {
		for _, e := range out.Events {
			switch e := e.(type) {
			case ikev2.AuthRequest:
				deliver(s, s.AuthorizeChild(now, ikev2.Authorization{}))
			case ikev2.ChildUp:
				fmt.Println(name(s), "has a Child SA")
			case ikev2.ChildrenMoved:
				fmt.Println(name(s), "sends to", e.Path.Remote)
			}
		}
		for _, d := range out.Datagrams {
			arrived := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: d.Path.NATT}
			switch {
			case s != here:
				deliver(here, here.Receive(now, arrived, d.Data))
			case there == nil:
				var answer ikev2.Output
				there, answer, _ = front.Init(now, arrived, d.Data)
				deliver(there, answer)
			default:
				deliver(there, there.Receive(now, arrived, d.Data))
			}
		}
		for _, w := range out.Work {
			w.Run()
			deliver(s, s.Done(now, w))
		}
	}
	deliver(here, out)
	deliver(here, here.Move(now, ikev2.Path{Local: netip.MustParseAddrPort("203.0.113.9:4500"), Remote: to, NATT: true}))

	// Output:
	// gateway has a Child SA
	// client has a Child SA
	// client sends to 192.0.2.1:4500
	// gateway sends to 203.0.113.9:4500
}

func name(s *ikev2.Session) string {
	if s.OriginalInitiator() {
		return "client"
	}
	return "gateway"
}
