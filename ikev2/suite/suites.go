// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"fmt"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// IKE is the algorithms of an IKE SA. It is comparable.
type IKE struct {
	Encr  Encr
	Integ IntegID // AUTH_NONE with an AEAD
	PRF   PRFID
	Group GroupID
	// Additional is the key exchange methods of ADDKE1 to ADDKE7 (RFC 9370), GroupNone where there is none.
	Additional Additional
}

// ESP is the algorithms of a Child SA. It is comparable.
type ESP struct {
	Encr  Encr
	Integ IntegID // AUTH_NONE with an AEAD
	ESN   bool    // extended (64 bit) sequence numbers
	Group GroupID // of the exchange that made it; GroupNone without a key exchange of its own
	// Additional is the key exchange methods of ADDKE1 to ADDKE7 (RFC 9370), GroupNone where there is none.
	Additional Additional
}

func (s IKE) String() string {
	if s.Encr.AEAD() {
		return fmt.Sprintf("%v/%v/%v%v", s.Encr, s.PRF, s.Group, s.Additional)
	}
	return fmt.Sprintf("%v/%v/%v/%v%v", s.Encr, s.Integ, s.PRF, s.Group, s.Additional)
}

func (s ESP) String() string {
	str := s.Encr.String()
	if !s.Encr.AEAD() {
		str += "/" + s.Integ.String()
	}
	if s.Group != GroupNone {
		str += "/" + s.Group.String() + s.Additional.String()
	}
	if s.ESN {
		str += "/ESN"
	}
	return str
}

// Supported says whether all algorithms exist here and fit together: an AEAD without and anything
// else with an integrity algorithm.
func (s IKE) Supported() bool {
	return fits(s.Encr, s.Integ) && s.PRF.Supported() && s.Group.Supported() && s.Additional.fit(s.Group)
}

// Supported says whether all algorithms exist here and fit together.
func (s ESP) Supported() bool {
	return fits(s.Encr, s.Integ) && (s.Group == GroupNone || s.Group.Supported()) && s.Additional.fit(s.Group)
}

func fits(e Encr, i IntegID) bool {
	if e.AEAD() {
		return e.Supported() && i == AUTH_NONE
	}
	return e.Supported() && i.Supported()
}

// Proposal is the suite as a proposal with exactly one transform of each type. spi is empty in
// IKE_SA_INIT and our new SPI in a rekey.
func (s IKE) Proposal(number uint8, spi []byte) message.Proposal {
	t := []message.Transform{s.Encr.Transform(), s.PRF.Transform()}
	if !s.Encr.AEAD() {
		t = append(t, s.Integ.Transform())
	}
	t = append(append(t, s.Group.Transform()), s.Additional.transforms()...)
	return message.Proposal{Number: number, Protocol: message.ProtocolIKE, SPI: spi, Transforms: t}
}

// Proposal is the suite as a proposal with exactly one transform of each type; without a Group it
// has no transform of type 4. spi is our inbound SPI, 4 octets.
func (s ESP) Proposal(number uint8, spi []byte) message.Proposal {
	t := []message.Transform{s.Encr.Transform()}
	if !s.Encr.AEAD() {
		t = append(t, s.Integ.Transform())
	}
	if s.Group != GroupNone {
		t = append(append(t, s.Group.Transform()), s.Additional.transforms()...)
	}
	return message.Proposal{Number: number, Protocol: message.ProtocolESP, SPI: spi, Transforms: append(t, esnTransform(s.ESN))}
}
