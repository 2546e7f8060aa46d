// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// AMF Configuration Update (TS 38.413 8.7.3): what is absent stays, lists that are present replace the old ones, and TNL associations are added, removed
// and weighed one by one.

// addTime is how long new associations may take; the AMF waits for the answer.
const addTime = 5 * time.Second

// configurationUpdate runs beside the receiving goroutine, because new associations take their time.
func (ng *ngConnection) configurationUpdate(m *ngap.AMFConfigurationUpdate, via *tnla) {
	d := *ng.about()
	if m.AMFName != "" {
		d.name = m.AMFName
	}
	if m.ServedGUAMIList != nil {
		d.guamis = m.ServedGUAMIList
	}
	if m.RelativeAMFCapacity != nil {
		d.capacity = *m.RelativeAMFCapacity
	}
	if m.PLMNSupportList != nil {
		d.plmns = m.PLMNSupportList
	}
	if !d.servesAny(ng.amf.nf.served.Load().plmns) {
		ng.amf.log.Error("the AMF serves none of the PLMNs of n3iwf.supportedTAs any more; its update is refused")
		if via != nil {
			ng.answer(via, &ngap.AMFConfigurationUpdateFailure{Cause: ngap.CauseMiscUnknownPLMNOrSNPN.Cause()})
		}
		return
	}
	ng.state.Store(&d)
	ng.mu.Lock()
	for _, item := range m.ServedGUAMIList {
		delete(ng.unavailable, keyOf(item.GUAMI)) // it is served again
	}
	ng.mu.Unlock()
	ng.amf.log.Info("the AMF has changed its configuration", slog.String("amf", ng.name()), slog.Int("add", len(m.AMFTNLAssociationToAddList)),
		slog.Int("remove", len(m.AMFTNLAssociationToRemoveList)), slog.Int("update", len(m.AMFTNLAssociationToUpdateList)))
	if via == nil {
		return // another node has the associations and answers
	}
	ng.running.Go(func() {
		ng.updating.Lock()
		defer ng.updating.Unlock()
		ng.answer(via, ng.changeTNLAs(m))
	})
}

// changeTNLAs does what the three lists ask and makes the answer.
func (ng *ngConnection) changeTNLAs(m *ngap.AMFConfigurationUpdate) *ngap.AMFConfigurationUpdateAcknowledge {
	answer := &ngap.AMFConfigurationUpdateAcknowledge{}
	causes := make([]*ngap.Cause, len(m.AMFTNLAssociationToAddList))
	var adding sync.WaitGroup
	for i, item := range m.AMFTNLAssociationToAddList {
		adding.Go(func() { causes[i] = ng.addTNLA(item) })
	}
	adding.Wait()
	for i, item := range m.AMFTNLAssociationToAddList {
		if causes[i] == nil {
			answer.AMFTNLAssociationSetupList = append(answer.AMFTNLAssociationSetupList, ngap.AMFTNLAssociationSetupItem{AMFTNLAssociationAddress: item.AMFTNLAssociationAddress})
			continue
		}
		answer.AMFTNLAssociationFailedToSetupList = append(answer.AMFTNLAssociationFailedToSetupList,
			ngap.TNLAssociationItem{TNLAssociationAddress: item.AMFTNLAssociationAddress, Cause: *causes[i]})
	}
	for _, item := range m.AMFTNLAssociationToUpdateList {
		addresses, port := endpointOf(item.AMFTNLAssociationAddress)
		t := ng.tnlaTo(addresses, port)
		if t == nil {
			ng.amf.log.Warn("the AMF weighs an association that is not there", slog.Any("address", addresses))
			continue
		}
		ng.mu.Lock()
		if item.TNLAssociationUsage != nil {
			t.usage = *item.TNLAssociationUsage
		}
		if item.TNLAddressWeightFactor != nil {
			t.weight = uint8(*item.TNLAddressWeightFactor)
		}
		ng.mu.Unlock()
	}
	for _, item := range m.AMFTNLAssociationToRemoveList {
		ng.removeTNLA(item)
	}
	return answer
}

// endpointOf reads an AMF's end; port 0 is any.
func endpointOf(e ngap.CPTransportLayerInformation) (addresses []netip.Addr, port uint16) {
	address := e.EndpointIPAddress
	if with := e.EndpointIPAddressAndPort; with != nil {
		address, port = &with.EndpointIPAddress, uint16(with.PortNumber)
	}
	if address == nil {
		return nil, 0
	}
	v4, v6, _ := address.Addrs()
	for _, a := range []netip.Addr{v4, v6} {
		if a.IsValid() {
			addresses = append(addresses, a)
		}
	}
	return addresses, port
}

// addTNLA opens an association that the AMF asks for; one that is there already counts as set up and takes the new weight.
func (ng *ngConnection) addTNLA(item ngap.AMFTNLAssociationToAddItem) *ngap.Cause {
	addresses, port := endpointOf(item.AMFTNLAssociationAddress)
	usage := ngap.TNLAssociationUsageBoth
	if item.TNLAssociationUsage != nil {
		usage = *item.TNLAssociationUsage
	}
	if t := ng.tnlaTo(addresses, port); t != nil {
		ng.mu.Lock()
		t.weight, t.usage = uint8(item.TNLAddressWeightFactor), usage
		up := t.link != nil
		ng.mu.Unlock()
		if up {
			return nil
		}
		return new(ngap.CauseTransportTransportResourceUnavailable.Cause())
	}
	if port == 0 {
		port = transport.Port
	}
	ng.mu.Lock()
	full := len(ng.tnlas) >= maxTNLAs
	ng.mu.Unlock()
	if full || len(addresses) == 0 {
		return new(ngap.CauseTransportTransportResourceUnavailable.Cause())
	}
	t := ng.add(addresses, port, uint8(item.TNLAddressWeightFactor), usage)
	ctx, cancel := context.WithTimeout(t.ctx, addTime)
	defer cancel()
	association, err := t.dial(ctx)
	if err != nil {
		ng.amf.log.Warn("TNL association that the AMF asks for cannot be set up", slog.Any("address", addresses), slog.Any("error", err))
		ng.drop(t)
		return new(ngap.CauseTransportTransportResourceUnavailable.Cause())
	}
	ng.amf.log.Info("TNL association added", slog.Any("address", addresses), slog.Int("weight", int(item.TNLAddressWeightFactor)))
	t.attach(association)
	ng.running.Go(func() { t.keep(association) })
	return nil
}

// removeTNLA closes an association; its UEs use another one with their next message. The last one stays: without it there is no NG interface.
func (ng *ngConnection) removeTNLA(item ngap.AMFTNLAssociationToRemoveItem) {
	addresses, port := endpointOf(item.AMFTNLAssociationAddress)
	t := ng.tnlaTo(addresses, port)
	if t == nil {
		return
	}
	ng.mu.Lock()
	others, local := 0, t.link
	for _, other := range ng.tnlas {
		if other != t && other.link != nil {
			others++
		}
	}
	ng.mu.Unlock()
	if own := item.TNLAssociationTransportLayerAddressNGRAN; own != nil && local != nil && !isOwnEnd(local.association.LocalAddr(), *own) {
		return // of another node of this N3IWF
	}
	if others == 0 {
		ng.amf.log.Error("the AMF wants its last TNL association removed; it stays", slog.Any("address", addresses))
		return
	}
	ng.amf.log.Info("TNL association removed", slog.Any("address", addresses))
	ng.drop(t)
}

func isOwnEnd(local transport.Addr, named ngap.CPTransportLayerInformation) bool {
	addresses, port := endpointOf(named)
	if port != 0 && port != local.Port {
		return false
	}
	for _, a := range addresses {
		for _, ip := range local.IPs {
			if a == ip {
				return true
			}
		}
	}
	return false
}

// drop takes an association out of the list and ends it.
func (ng *ngConnection) drop(t *tnla) {
	ng.mu.Lock()
	for i, other := range ng.tnlas {
		if other == t {
			ng.tnlas = append(ng.tnlas[:i:i], ng.tnlas[i+1:]...)
			break
		}
	}
	ng.mu.Unlock()
	t.remove()
}
