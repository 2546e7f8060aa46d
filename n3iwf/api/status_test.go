// SPDX-License-Identifier: Apache-2.0

package api

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/ebpf"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// Sessions that the programs in the kernel leave to the relay are counted; where there are no programs, none is an exception.
func TestRelayedSessions(t *testing.T) {
	n3 := relay.Stats{Sessions: 5, Offloaded: 3}
	u := userPlane(n3iwf.UserPlaneStatus{Kind: "ebpf", EBPF: &ebpf.Status{Links: []string{"n3"}}}, n3)
	require.Equal(t, UserPlane{Kind: "ebpf", N3: []string{"n3"}, Relayed: 2}, u)
	require.Equal(t, UserPlane{Kind: "relay", Reason: "configured"}, userPlane(n3iwf.UserPlaneStatus{Kind: "relay", Reason: "configured"}, n3))
}

// What the programs leave to the process, and why, is in the status and in the metrics.
func TestLeftByTheKernel(t *testing.T) {
	left := map[string]map[string]uint64{"uplink": {"fragment": 1}, "downlink": {"joined by GSO": 3, "fragment": 0}}
	st := n3iwf.UserPlaneStatus{Kind: "ebpf", EBPF: &ebpf.Status{HandedUp: left}}
	require.Equal(t, left, userPlane(st, relay.Stats{}).Left)
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(collectorFunc(func(m sender) { (&collector{}).userPlane(m, n3iwf.Status{UserPlane: st}) })))
	families, err := r.Gather()
	require.NoError(t, err)
	got := map[string]map[string]uint64{"uplink": {}, "downlink": {}}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "n3iwf_ebpf_left_total" {
				got[m.GetLabel()[0].GetValue()][m.GetLabel()[1].GetValue()] = uint64(m.GetCounter().GetValue())
			}
		}
	}
	require.Equal(t, left, got)
}

type collectorFunc func(m sender)

func (f collectorFunc) Describe(chan<- *prometheus.Desc)    {}
func (f collectorFunc) Collect(to chan<- prometheus.Metric) { f(sender{to}) }
