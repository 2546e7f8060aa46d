// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
)

// TestFlowFault goes through the conditions of the parameters of a QoS flow.
func TestFlowFault(t *testing.T) {
	gbr := &ngap.GBRQosInformation{MaximumFlowBitRateDL: 2, MaximumFlowBitRateUL: 2, GuaranteedFlowBitRateDL: 1, GuaranteedFlowBitRateUL: 1}
	burst := new(ngap.MaximumDataBurstVolume(255))
	standard := func(fiveQI ngap.FiveQI, g *ngap.GBRQosInformation) *ngap.QosFlowLevelQosParameters {
		return &ngap.QosFlowLevelQosParameters{QosCharacteristics: ngap.QosCharacteristics{NonDynamic5QI: &ngap.NonDynamic5QIDescriptor{FiveQI: fiveQI}}, GBRQosInformation: g}
	}
	dynamic := func(critical *ngap.DelayCritical, burst *ngap.MaximumDataBurstVolume, g *ngap.GBRQosInformation) *ngap.QosFlowLevelQosParameters {
		return &ngap.QosFlowLevelQosParameters{
			QosCharacteristics: ngap.QosCharacteristics{Dynamic5QI: &ngap.Dynamic5QIDescriptor{DelayCritical: critical, MaximumDataBurstVolume: burst}}, GBRQosInformation: g,
		}
	}
	critical, uncritical := ngap.DelayCriticalDelayCritical, ngap.DelayCriticalNonDelayCritical
	for name, c := range map[string]struct {
		q   *ngap.QosFlowLevelQosParameters
		bad bool
	}{
		"non-GBR":                                   {standard(9, nil), false},
		"GBR":                                       {standard(1, gbr), false},
		"GBR without information":                   {standard(1, nil), true},
		"last of GBR without information":           {standard(76, nil), true},
		"between GBR and GBR":                       {standard(70, nil), false},
		"delay-critical GBR, burst by default":      {standard(82, gbr), false},
		"delay-critical GBR without information":    {standard(90, nil), true},
		"an operator's own":                         {standard(128, nil), false},
		"an operator's own, GBR":                    {standard(254, gbr), false},
		"dynamic, non-GBR":                          {dynamic(nil, nil, nil), false},
		"dynamic, GBR":                              {dynamic(&uncritical, nil, gbr), false},
		"dynamic, GBR that does not say":            {dynamic(nil, nil, gbr), true},
		"dynamic, delay critical":                   {dynamic(&critical, burst, gbr), false},
		"dynamic, delay critical without burst":     {dynamic(&critical, nil, gbr), true},
		"dynamic, delay critical, no information":   {dynamic(&critical, burst, nil), true},
		"dynamic, not delay critical, not GBR":      {dynamic(&uncritical, nil, nil), false},
		"dynamic, burst of what is not that urgent": {dynamic(&uncritical, burst, gbr), false},
	} {
		cause, bad := flowFault(c.q)
		require.Equal(t, c.bad, bad, name)
		if bad {
			require.True(t, cause.Is(ngap.CauseRadioNetworkInvalidQosCombination), name)
		}
	}
}
