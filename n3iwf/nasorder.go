// SPDX-License-Identifier: Apache-2.0

package n3iwf

// A NAS message that comes with a PDU session's resources is for the UE when their child SAs are there, or gone (TS 23.502 4.12.5, 4.12.7). What the AMF
// sends meanwhile waits behind it: a UE that has taken a later NAS COUNT takes an earlier one for a replay (TS 24.501 4.4.3.2).

// nasPlace is a place in the order of downlink NAS.
type nasPlace struct {
	pdus [][]byte
	open bool // what comes here is not known yet
}

// reserveNAS keeps a place for what deliverAt brings.
func (u *ue) reserveNAS() *nasPlace {
	p := &nasPlace{open: true}
	u.nasPlaces = append(u.nasPlaces, p)
	return p
}

// reserveFor keeps a place if one of the messages is there.
func reserveFor[T any](u *ue, items []T, message func(*T) []byte) *nasPlace {
	for i := range items {
		if len(message(&items[i])) > 0 {
			return u.reserveNAS()
		}
	}
	return nil
}

// deliverAt passes messages to the UE in their place, or none; nil is a place at the end.
func (u *ue) deliverAt(p *nasPlace, pdus ...[]byte) {
	if p == nil {
		for _, pdu := range pdus {
			u.downlinkNAS(pdu)
		}
		return
	}
	p.pdus, p.open = pdus, false
	for len(u.nasPlaces) > 0 && !u.nasPlaces[0].open {
		p, u.nasPlaces = u.nasPlaces[0], u.nasPlaces[1:]
		for _, pdu := range p.pdus {
			u.passNAS(pdu)
		}
	}
}

// downlinkNAS passes a NAS message of the AMF to the UE, behind those that came before it.
func (u *ue) downlinkNAS(pdu []byte) {
	switch {
	case len(pdu) == 0:
	case len(u.nasPlaces) == 0:
		u.passNAS(pdu)
	case len(u.nasPlaces) >= u.nf.live().Limits.NASQueue:
		u.nonDelivery(pdu)
	default:
		u.nasPlaces = append(u.nasPlaces, &nasPlace{pdus: [][]byte{pdu}})
	}
}

// dropSetups forgets what is being set up, changed and released for a UE that ends. NAS messages that wait for it are not for the UE any more; those behind them are.
func (u *ue) dropSetups() {
	u.setup, u.setupPlace, u.batches = nil, nil, nil
	places := u.nasPlaces
	u.nasPlaces = nil
	for _, p := range places {
		if p.open {
			continue
		}
		for _, pdu := range p.pdus {
			u.passNAS(pdu)
		}
	}
}
