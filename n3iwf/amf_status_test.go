// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// TestNamedBackup: of several AMFs of the set a UE goes to the one that AMF STATUS INDICATION names, or that NG Setup has named for its GUAMI
// (TS 38.413 8.7.6.2, TS 23.501 5.21.2.2). AMF CONFIGURATION UPDATE that has the GUAMI again takes the withdrawal back.
func TestNamedBackup(t *testing.T) {
	for _, c := range []struct {
		name, indicated, before, to string
	}{
		{"in the indication", "four", "three", "four"}, {"in NG Setup", "", "two", "two"}, {"in NG Setup, another one", "", "four", "four"}, {"of no AMF that is there", "nobody", "", "two, three or four"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 10 {
				l, ues := newLine(t, 1, 1)
				u := ues[0]
				l.ng.about().guamis[0].BackupAMFName = ngap.AMFName(c.before)
				for i, name := range []string{"two", "three", "four"} {
					l.serve(connectAMF(t, l.o.nf, name, []string{"cafe01", "cafe02", "cafe03"}[i], 1, "01", 1), 1)
				}
				l.hear(0, &ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: someGUAMI(t, "cafe00"), BackupAMFName: ngap.AMFName(c.indicated)}}})
				u.uplinkNAS([]byte{0x7e})
				require.Contains(t, c.to, u.ng.name())
				one[*ngap.UplinkNASTransport](l, u.ng, 0)
				require.Empty(t, l.said(l.ng, 0))
			}
		})
	}
	t.Run("of the AMF that serves the GUAMI now", func(t *testing.T) {
		l, ues := newLine(t, 1, 1)
		for i, name := range []string{"two", "three"} {
			l.serve(connectAMF(t, l.o.nf, name, []string{"cafe01", "cafe00"}[i], 1, "01", 1), 1)
		}
		u := ues[0]
		u.ranID = 2 // by which one of the set would be drawn
		l.hear(0, &ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: someGUAMI(t, "cafe00")}}})
		u.uplinkNAS([]byte{0x7e})
		require.Equal(t, "three", u.ng.name())
	})
	t.Run("served again", func(t *testing.T) {
		l, ues := newLine(t, 1, 1)
		l.serve(connectAMF(t, l.o.nf, "two", "cafe01", 1, "01", 1), 1)
		l.o.nf.served.Store(&served{plmns: []ngap.PLMNIdentity{somePLMN(t, "01")}})
		own := someGUAMI(t, "cafe00")
		l.hear(0, &ngap.AMFStatusIndication{UnavailableGUAMIList: ngap.UnavailableGUAMIList{{GUAMI: own}}})
		require.True(t, l.ng.allUnavailable())
		l.hear(0, &ngap.AMFConfigurationUpdate{ServedGUAMIList: ngap.ServedGUAMIList{{GUAMI: own}}})
		l.ng.running.Wait()
		one[*ngap.AMFConfigurationUpdateAcknowledge](l, l.ng, 0)
		require.False(t, l.ng.allUnavailable())
		ues[0].uplinkNAS([]byte{0x7e})
		one[*ngap.UplinkNASTransport](l, l.ng, 0)
	})
}

// TestResetConcernsOneAMF: NG RESET of an AMF, of all or by RAN-UE-NGAP-IDs, ends its own UEs and none of another AMF (TS 38.413 8.7.4.2.1).
func TestResetConcernsOneAMF(t *testing.T) {
	l, ues := newLine(t, 3, 1)
	other := connectAMF(t, l.o.nf, "two", "cafe01", 1, "01", 1)
	l.serve(other, 1)
	l.ng.unbind(*ues[2].amfID, ues[2].ranID)
	ues[2].ng = other
	other.bind(*ues[2].amfID, ues[2].ranID)
	list := ngap.UEAssociatedLogicalNGConnectionList{{RANUENGAPID: new(ngap.RANUENGAPID(ues[2].ranID))}, {RANUENGAPID: new(ngap.RANUENGAPID(ues[0].ranID))}, {AMFUENGAPID: new(*ues[2].amfID)}}
	l.hear(0, &ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{PartOfNGInterface: &list}})
	require.Equal(t, list, one[*ngap.NGResetAcknowledge](l, l.ng, 0).UEAssociatedLogicalNGConnectionList)
	require.Equal(t, []bool{true, false, false}, []bool{ues[0].gone, ues[1].gone, ues[2].gone})
	l.hear(0, &ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{NGInterface: new(ngap.ResetAllResetAll)}})
	require.Empty(t, one[*ngap.NGResetAcknowledge](l, l.ng, 0).UEAssociatedLogicalNGConnectionList)
	require.Equal(t, []bool{true, true, false}, []bool{ues[0].gone, ues[1].gone, ues[2].gone})
}

// TestAssociationsAreWeighed: AMF CONFIGURATION UPDATE gives an association another weight, another usage, or both; what it does not say stays (TS 38.413 8.7.3.2).
func TestAssociationsAreWeighed(t *testing.T) {
	l, ues := newLine(t, 1, 2)
	u := ues[0]
	first, second := l.ng.tnlas[0], l.ng.tnlas[1]
	ends := make([]ngap.CPTransportLayerInformation, 2)
	for i, tnla := range []*tnla{first, second} {
		tnla.remote, tnla.port = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)})}, 38412
		a, err := ngap.NewTransportLayerAddress(tnla.remote[0])
		require.NoError(t, err)
		ends[i].EndpointIPAddress = &a
	}
	weigh := func(items ...ngap.AMFTNLAssociationToUpdateItem) {
		t.Helper()
		require.Equal(t, &ngap.AMFConfigurationUpdateAcknowledge{}, l.ng.changeTNLAs(&ngap.AMFConfigurationUpdate{AMFTNLAssociationToUpdateList: items}))
	}
	speaks := func(via int) {
		t.Helper()
		l.ng.unbindTNLA(u.ranID)
		u.uplinkNAS([]byte{0x7e})
		one[*ngap.UplinkNASTransport](l, l.ng, via)
	}
	speaks(0)
	weigh(ngap.AMFTNLAssociationToUpdateItem{AMFTNLAssociationAddress: ends[0], TNLAddressWeightFactor: new(ngap.TNLAddressWeightFactor(0))},
		ngap.AMFTNLAssociationToUpdateItem{AMFTNLAssociationAddress: ends[1], TNLAddressWeightFactor: new(ngap.TNLAddressWeightFactor(7))})
	speaks(1)
	weigh(ngap.AMFTNLAssociationToUpdateItem{AMFTNLAssociationAddress: ends[1], TNLAssociationUsage: new(ngap.TNLAssociationUsageNonUe)})
	require.EqualValues(t, 7, second.weight)
	speaks(0)
	weigh(ngap.AMFTNLAssociationToUpdateItem{AMFTNLAssociationAddress: ends[0], TNLAssociationUsage: new(ngap.TNLAssociationUsageUe)})
	l.ng.sendNonUE(&ngap.NGResetAcknowledge{})
	one[*ngap.NGResetAcknowledge](l, l.ng, 1)
	speaks(0)
}
