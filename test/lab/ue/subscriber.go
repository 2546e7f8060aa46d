// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"errors"
	"fmt"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// Subscriber is the USIM and what the UE asks for.
type Subscriber struct {
	IMSI     string // digits, without "imsi-"
	MCC, MNC string // home network, and the PLMN selected
	NID      string // of the SNPN selected, 11 hexadecimal digits; empty: the PLMN
	Key      milenage.Subscriber
	SQN      milenage.SQN // highest sequence number accepted
	IMEISV   string       // 16 digits; empty is a lab default
	Slices   []nas.SNSSAI // requested
	// Ciphering offers NEA2 beside NEA0.
	Ciphering bool
}

const defaultIMEISV = "4370816125816151"

// suci is the concealed identity by the null scheme.
func (s *Subscriber) suci() (nas.MobileIdentity, error) {
	plmn, err := nas.NewPLMN(s.MCC, s.MNC)
	if err != nil {
		return nil, err
	}
	home := len(s.MCC) + len(s.MNC)
	if len(s.IMSI) <= home || s.IMSI[:home] != s.MCC+s.MNC {
		return nil, fmt.Errorf("IMSI %q does not begin with the PLMN %s%s", s.IMSI, s.MCC, s.MNC)
	}
	return nas.NewNullSUCI(plmn, s.IMSI[home:], "0").Identity(), nil
}

// authenticate is the USIM and the ME: it checks the challenge and derives the keys (TS 33.501 6.1.3.2). With milenage.ErrSynch the AUTS for
// the network is returned.
func (s *Subscriber) authenticate(rand, autn [16]byte, abba []byte) (resStar [16]byte, kamf aka.Key, auts [14]byte, err error) {
	sqn, vector, err := s.Key.CheckAUTN(rand, autn)
	if err != nil {
		return resStar, kamf, auts, err
	}
	if sqn <= s.SQN {
		return resStar, kamf, s.Key.AUTS(rand, s.SQN), milenage.ErrSynch
	}
	s.SQN = sqn
	network := aka.ServingNetwork(s.MCC, s.MNC, s.NID)
	kamf = aka.KAMF(aka.KSEAF(aka.KAUSF(vector, network, autn), network), s.IMSI, abba)
	return aka.RESStar(vector, network, rand), kamf, auts, nil
}

// causeOf is what the network is told of a failed challenge.
func causeOf(err error) nas.Cause {
	switch {
	case errors.Is(err, milenage.ErrSynch):
		return nas.CauseSynchFailure
	case errors.Is(err, milenage.ErrSeparation):
		return nas.CauseNon5GAuthentication
	}
	return nas.CauseMACFailure
}
