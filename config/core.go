// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"
)

// N2 is everything between this network function and the AMFs (TS 38.412, TS 38.413).
type N2 struct {
	// AMFs to connect to, 1..64 entries. Required.
	AMFs []AMF `yaml:"amfs" reload:"now"`
	// LocalAddresses are the local SCTP addresses; several make the association multi-homed. Default: chosen by the
	// routing table.
	LocalAddresses []netip.Addr `yaml:"localAddresses" reload:"new"`
	// Transport carries SCTP: "kernel" is Linux' own, "udp" SCTP in UDP in this process (RFC 6951), "raw" SCTP over IP
	// protocol 132 in this process, "auto" the kernel's where it has SCTP, else udp.
	Transport string `yaml:"transport" enum:"auto,kernel,udp,raw" reload:"new"`
	// Streams is the number of SCTP streams asked for: stream 0 is for non-UE signalling, the UEs share the others.
	Streams uint16 `yaml:"streams" range:"2,65535" reload:"new"`
	// BackOff is the wait between attempts to connect and to set up NG, doubling from Initial to Max. A Time to Wait given
	// by the AMF takes precedence.
	BackOff BackOff `yaml:"backOff" reload:"new"`
	// SCTP are the association's own timers (RFC 9260 16).
	SCTP SCTP `yaml:"sctp" reload:"new"`
}

// AMF is one access and mobility management function.
type AMF struct {
	// Name is a DNS name instead of Addresses, asked for at each attempt to connect: a Kubernetes Service, for instance.
	Name string `yaml:"name"`
	// Addresses are the SCTP addresses of one AMF, 1..8 entries, all of them used for the same association. Required without
	// Name.
	Addresses []netip.Addr `yaml:"addresses"`
	// Port is the SCTP port (TS 38.412: 38412).
	Port uint16 `yaml:"port" range:"1,65535"`
	// UDPPort is the AMF's UDP port when N2.Transport is "udp".
	UDPPort uint16 `yaml:"udpPort" range:"1,65535"`
}

// BackOff is an exponential wait: Initial, then doubled each time up to Max.
type BackOff struct {
	// Initial is the first wait.
	Initial time.Duration `yaml:"initial" range:"100ms,10m"`
	// Max is the longest wait. Not less than Initial.
	Max time.Duration `yaml:"max" range:"100ms,1h"`
}

// SCTP are the protocol parameters of an association (RFC 9260 16).
type SCTP struct {
	// RTOMin is the smallest retransmission timeout.
	RTOMin time.Duration `yaml:"rtoMin" range:"10ms,1m"`
	// RTOInitial is the retransmission timeout before the first measurement. Between RTOMin and RTOMax.
	RTOInitial time.Duration `yaml:"rtoInitial" range:"10ms,1m"`
	// RTOMax is the largest retransmission timeout.
	RTOMax time.Duration `yaml:"rtoMax" range:"10ms,1m"`
	// Heartbeat is the interval of path probes.
	Heartbeat time.Duration `yaml:"heartbeat" range:"500ms,10m"`
	// MaxRetransmissions is how many times in a row a path may leave heartbeats or data without an answer (Path.Max.Retrans). The association ends
	// when all paths have.
	MaxRetransmissions int `yaml:"maxRetransmissions" range:"1,100"`
}

// N3 is everything between this network function and the UPFs (TS 29.281, TS 38.415).
type N3 struct {
	// Addresses are the local GTP-U addresses told to the core: at most one per family. Default: the local address that
	// reaches the AMF.
	Addresses []netip.Addr `yaml:"addresses" because:"UPFs have been told it with each tunnel"`
	// Port is the local UDP port (TS 29.281 4.4.2: 2152). Peers send to 2152.
	Port uint16 `yaml:"port" range:"1,65535" because:"UPFs send to it"`
	// DSCP marks uplink packets by the 5QI of their flow. Flows of other 5QIs are not marked.
	DSCP []FiveQIDSCP `yaml:"dscp" reload:"now"`
	// Echo supervises the paths to the UPFs (TS 29.281 7.2).
	Echo Echo `yaml:"echo" reload:"now"`
	// TEIDQuarantine is how long a released TEID is not given out again.
	TEIDQuarantine time.Duration `yaml:"teidQuarantine" range:"0s,1h" reload:"now"`
}

// Echo are the timers of GTP-U echo (TS 29.281 12.1).
type Echo struct {
	// Interval between echo requests to one UPF; the standard wants at least 60 s. 0: none are sent.
	Interval time.Duration `yaml:"interval" range:"0s,1h"`
	// Timeout is T3-RESPONSE: the wait for one answer.
	Timeout time.Duration `yaml:"timeout" range:"100ms,1m"`
	// Tries is N3-REQUESTS: the number of requests before the path is taken for down.
	Tries int `yaml:"tries" range:"1,20"`
}
