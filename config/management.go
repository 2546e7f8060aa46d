// SPDX-License-Identifier: Apache-2.0

package config

// Management is how people and programs look at this network function and steer it.
type Management struct {
	// Socket is the path of the unix socket of the management API, which the n3iwf commands use. Its file mode lets only the same
	// user in. Empty: off. At the default path, a folder that cannot be made is only warned about.
	Socket string `yaml:"socket" reload:"now"`
	// Listen is address:port of the management API on the network. It needs TLS and either Token or TLS.ClientCA; on a loopback address,
	// Token alone will do. Empty: off.
	Listen string `yaml:"listen" reload:"now"`
	// Token is what clients of Listen must show as bearer token, at least 16 characters. Environment variable N3IWF_MANAGEMENT_TOKEN.
	Token Secret `yaml:"token" reload:"now"`
	// TLS protects Listen.
	TLS ManagementTLS `yaml:"tls" reload:"now"`
	// Observe is address:port of /metrics, /healthz and /readyz, for Prometheus and probes: without authentication, and without
	// anything about single UEs. Empty: off.
	Observe string `yaml:"observe" reload:"now"`
	// PProf adds Go's profiling endpoints below /debug/pprof to the management API.
	PProf bool `yaml:"pprof" reload:"now"`
	// Traces sends OpenTelemetry traces of registrations to a collector.
	Traces Traces `yaml:"traces" reload:"new"`
}

// Traces says where OpenTelemetry traces go. A registration is one trace: its spans tell how long the UE, the AMF and this N3IWF took for each step,
// and each PDU session and each move that follows. They have addresses of UEs, and neither identities of subscribers nor keys.
type Traces struct {
	// Endpoint is the URL of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; /v1/traces is added when it has no path. Empty: off.
	Endpoint string `yaml:"endpoint"`
	// Ratio is the share of registrations that are traced.
	Ratio float64 `yaml:"ratio" range:"0,1"`
	// CA is a PEM file with the CAs that an https collector is checked against. Empty: those of the system.
	CA string `yaml:"ca"`
	// Token is sent to the collector as bearer token. Environment variable N3IWF_MANAGEMENT_TRACES_TOKEN.
	Token Secret `yaml:"token"`
}

// ManagementTLS is the certificate of the management API and whose certificates it accepts.
type ManagementTLS struct {
	// Chain is a PEM file with the certificate and its intermediates.
	Chain string `yaml:"chain"`
	// Key is a PEM file with the private key.
	Key Secret `yaml:"key"`
	// ClientCA is a PEM file with the CAs whose client certificates are accepted (mTLS). Empty: none are asked for.
	ClientCA string `yaml:"clientCA"`
}

// DefaultSocket is where the commands look for the management API.
const DefaultSocket = "/run/n3iwf/api.sock"
