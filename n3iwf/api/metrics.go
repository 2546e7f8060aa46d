// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// collector turns the snapshot and the counters into metrics at each scrape. No label names a UE: their number is bounded by
// causes, kinds and AMFs.
type collector struct{ s *Server }

func (s *Server) metricsHandler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r, MaxRequestsInFlight: 4})
}

// Describe says nothing: the metrics are not known before the first scrape, which Prometheus calls an unchecked collector.
func (*collector) Describe(chan<- *prometheus.Desc) {}

// counted are the plain counters of n3iwf.Counters by their field.
var counted = map[string]struct{ name, help string }{
	"UEs":               {"n3iwf_ike_sas_begun_total", "IKE SAs that peers began."},
	"Registered":        {"n3iwf_registrations_total", "UEs authenticated by both sides."},
	"IKEClosed":         {"n3iwf_ike_sas_closed_total", "IKE SAs that ended, for whatever reason."},
	"IKEMalformed":      {"n3iwf_ike_malformed_total", "Datagrams on IKE ports that were no IKE messages."},
	"IKEOverload":       {"n3iwf_ike_overload_drops_total", "IKE messages dropped because too many waited."},
	"IKEUnknownSPI":     {"n3iwf_ike_unknown_spi_total", "IKE messages for no IKE SA."},
	"IKENotSent":        {"n3iwf_ike_send_errors_total", "IKE messages that the system did not send."},
	"EAPErrors":         {"n3iwf_eap_errors_total", "Bad EAP packets."},
	"ChildSAs":          {"n3iwf_child_sas_installed_total", "Child SAs installed, rekeys included."},
	"ChildRekeys":       {"n3iwf_child_sa_rekeys_total", "Child SAs that replaced others."},
	"IKERekeys":         {"n3iwf_ike_sa_rekeys_total", "IKE SAs that replaced others."},
	"RekeysFailed":      {"n3iwf_rekeys_failed_total", "Rekeys that failed."},
	"HandedOver":        {"n3iwf_ues_handed_over_total", "UEs that went to another node."},
	"TakenOver":         {"n3iwf_ues_taken_over_total", "UEs that came from another node."},
	"HandoverFailed":    {"n3iwf_ues_handover_failed_total", "UEs that another node did not take."},
	"Forwarded":         {"n3iwf_forwarded_total", "Messages and packets that came to the wrong node and were sent on."},
	"Sessions":          {"n3iwf_pdu_sessions_established_total", "PDU sessions that came up."},
	"MovesRejected":     {"n3iwf_mobike_moves_rejected_total", "Moves that were refused; the UE stayed where it was."},
	"RoutabilityProven": {"n3iwf_mobike_routability_proven_total", "Return routability checks that succeeded."},
	"RoutabilityFailed": {"n3iwf_mobike_routability_failed_total", "Return routability checks that got no answer in time."},
	"Rebinds":           {"n3iwf_esp_rebinds_total", "Authenticated ESP from another outer address than the SA's."},
	"UnknownSPI":        {"n3iwf_esp_unknown_spi_reports_total", "Reports of ESP for no SA, limited in rate."},
	"NASNotSent":        {"n3iwf_nas_send_errors_total", "NAS messages that could not be given to the UE's connection."},
	"NGAPErrors":        {"n3iwf_ngap_errors_total", "NGAP messages with an error."},
	"Panics":            {"n3iwf_panics_total", "Defects that ended a UE; the log has the stacks."},
}

// Collect sends the metrics of this moment.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	k, st := c.s.nf.Counters(), c.s.nf.Status()
	m := sender{to}
	v := reflect.ValueOf(k).Elem()
	for i := range v.NumField() {
		if d, ok := counted[v.Type().Field(i).Name]; ok {
			m.counter(d.name, d.help, float64(v.Field(i).Addr().Interface().(*atomic.Uint64).Load()))
		}
	}
	m.tally("n3iwf_registrations_refused_total", "UEs turned away.", "reason", &k.RefusedFor)
	m.tally("n3iwf_releases_total", "UE contexts released.", "cause", &k.ReleasedFor)
	m.tally("n3iwf_pdu_sessions_failed_total", "PDU sessions refused or lost.", "cause", &k.SessionsLost)
	m.tally("n3iwf_ngap_received_total", "NGAP messages of AMFs.", "procedure", &k.NGAPReceived)
	m.tally("n3iwf_ngap_sent_total", "NGAP messages to AMFs.", "procedure", &k.NGAPSent)
	m.tallyOf("n3iwf_ngap_failures_total", "Error indications and unsuccessful outcomes, to and from AMFs.", &k.NGAPFaults, "direction", "procedure", "cause")
	m.tallyOf("n3iwf_mobike_moves_total", "Moves by what has changed and how they ended: moved; refused, the UE stayed; unproven, the UE did not answer at its new address.",
		&k.MovesBy, "kind", "result")
	m.tally("n3iwf_ike_init_refused_total", "IKE_SA_INIT requests answered with an error or dropped.", "reason", &k.IKERefusedFor)
	for result, n := range map[string]uint64{"sent": st.Cookies.Sent, "verified": st.Cookies.Verified, "wrong": st.Cookies.Wrong} {
		m.labelled(prometheus.CounterValue, "n3iwf_ike_cookies_total", "Cookies sent to initiators, and what came back.", float64(n), "result", result)
	}
	m.histogram("n3iwf_registration_seconds", "From a UE's first IKE message to its IKE SA, EAP-5G and the core's work included.", &k.Handshakes)
	m.histogram("n3iwf_mobike_move_seconds", "From the move of the IKE SA to that of its child SAs, the return routability check included.", &k.MoveTimes)

	m.gauge("n3iwf_ues", "UE contexts.", float64(st.UEs))
	m.gauge("n3iwf_half_open", "UE contexts that are not authenticated yet.", float64(st.HalfOpen))
	m.gauge("n3iwf_child_sas", "Child SAs.", float64(st.ChildSAs))
	m.gauge("n3iwf_pdu_sessions", "PDU sessions.", float64(st.PDUSessions))
	m.gauge("n3iwf_inner_addresses", "Inner addresses that UEs have.", float64(st.InnerAddresses))
	m.gauge("n3iwf_amfs_connected", "NG connections that are up.", float64(st.AMFs))
	m.gauge("n3iwf_amfs_configured", "AMFs in the configuration.", float64(len(c.s.nf.Config().N2.AMFs)))
	m.gauge("n3iwf_nas_connections", "TCP connections for NAS.", float64(st.NAS.Connections))
	m.gauge("n3iwf_start_time_seconds", "When the network function started.", float64(c.s.started.Unix()))
	m.gauge("n3iwf_certificate_expiry_seconds", "When the first of the certificates in use expires, those of nwu.certificate.further included, as Unix time.",
		float64(c.s.nf.CertificateExpires().Unix()))
	if a := c.s.onNetwork(); a != nil && a.tls != nil {
		m.gauge("n3iwf_management_certificate_expiry_seconds", "When the certificate of the management API expires, as Unix time.", float64(a.expires.Unix()))
	}
	if r := c.s.reload.Load(); r != nil {
		good := 1.0
		if r.err != nil {
			good = 0
		}
		m.gauge("n3iwf_config_last_reload_successful", "Whether the last reload was taken; one that is not changes nothing.", good)
		m.gauge("n3iwf_config_last_reload_seconds", "When the last reload was, as Unix time.", float64(r.at.Unix()))
	}
	for result, n := range map[string]uint64{"taken": c.s.reloads.taken.Load(), "refused": c.s.reloads.refused.Load()} {
		m.labelled(prometheus.CounterValue, "n3iwf_config_reloads_total", "Reloads of the configuration: taken as a whole, or refused as a whole.", float64(n), "result", result)
	}
	c.userPlane(m, st)
}

func (c *collector) userPlane(m sender, st n3iwf.Status) {
	for direction, t := range map[string]relay.Counter{"uplink": st.N3.Uplink, "downlink": st.N3.Downlink} {
		m.labelled(prometheus.CounterValue, "n3iwf_user_packets_total", "User packets forwarded.", float64(t.Packets), "direction", direction)
		m.labelled(prometheus.CounterValue, "n3iwf_user_bytes_total", "Bytes of user packets forwarded.", float64(t.Bytes), "direction", direction)
	}
	for reason, n := range st.N3.Drops {
		m.labelled(prometheus.CounterValue, "n3iwf_user_drops_total", "User packets dropped between GRE and GTP-U.", float64(n), "reason", relay.Reason(reason).String())
	}
	if e := st.UserPlane.EBPF; e != nil {
		for direction, reasons := range e.HandedUp {
			for reason, n := range reasons {
				m.labelled(prometheus.CounterValue, "n3iwf_ebpf_left_total", "Packets that the programs in the kernel left to the process, signalling among them.",
					float64(n), "direction", direction, "reason", reason)
			}
		}
	}
	for reason, n := range map[string]uint64{
		"malformed": st.ESP.Drops.Malformed, "old": st.ESP.Drops.Old, "duplicate": st.ESP.Drops.Duplicate, "auth": st.ESP.Drops.Auth,
		"selector": st.ESP.Drops.Selector, "unknown_spi": st.ESP.UnknownSPI, "runt": st.ESP.Runts, "overrun": st.ESP.Overruns,
	} {
		m.labelled(prometheus.CounterValue, "n3iwf_esp_drops_total", "Inbound ESP packets dropped.", float64(n), "reason", reason)
	}
	for _, p := range st.N3.Peers {
		up := 1.0
		if p.Down {
			up = 0
		}
		m.labelled(prometheus.GaugeValue, "n3iwf_upf_up", "Whether a UPF answers echo requests.", up, "upf", p.UPF)
	}
}

// sender makes the metrics.
type sender struct{ to chan<- prometheus.Metric }

func (m sender) counter(name, help string, v float64) {
	m.labelled(prometheus.CounterValue, name, help, v)
}

func (m sender) gauge(name, help string, v float64) {
	m.labelled(prometheus.GaugeValue, name, help, v)
}

func (m sender) labelled(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	m.to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}

func (m sender) tally(name, help, label string, t *n3iwf.Tally) {
	t.All(func(word string, n uint64) {
		m.labelled(prometheus.CounterValue, name, help, float64(n), label, word)
	})
}

// tallyOf is a tally by n3iwf.Words.
func (m sender) tallyOf(name, help string, t *n3iwf.Tally, labels ...string) {
	desc := prometheus.NewDesc(name, help, labels, nil)
	t.All(func(word string, n uint64) {
		m.to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), n3iwf.SplitWords(word, len(labels))...)
	})
}

func (m sender) histogram(name, help string, h *n3iwf.Histogram) {
	count, sum, upTo := h.Read()
	m.to <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, nil, nil), count, sum, upTo)
}
