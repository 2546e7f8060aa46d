// SPDX-License-Identifier: Apache-2.0

package config

import "time"

// Limits bound the state that UEs can make.
type Limits struct {
	// MaxUEs is the number of UE contexts; further UEs are refused with CONGESTION.
	MaxUEs int `yaml:"maxUEs" range:"1,1000000"`
	// PDUSessionsPerUE is the number of PDU sessions of one UE (TS 24.501: identities 1..15).
	PDUSessionsPerUE int `yaml:"pduSessionsPerUE" range:"1,15"`
	// ChildSAsPerUE is the number of child SAs of one UE, the signalling SA included.
	ChildSAsPerUE int `yaml:"childSAsPerUE" range:"2,256"`
	// NASQueue is the number of downlink NAS messages held for a UE whose TCP connection does not exist yet.
	NASQueue int `yaml:"nasQueue" range:"1,1024"`
}

// Timers guard the 3GPP procedures.
type Timers struct {
	// EAPStep is the wait for the UE's next EAP-5G message.
	EAPStep time.Duration `yaml:"eapStep" range:"1s,5m"`
	// AMFAnswer is the wait for the AMF's first downlink NAS message.
	AMFAnswer time.Duration `yaml:"amfAnswer" range:"1s,5m"`
	// Registration is the guard from the first message of a UE to its signalling SA.
	Registration time.Duration `yaml:"registration" range:"5s,10m"`
	// ContextSetup is the wait from INITIAL CONTEXT SETUP REQUEST to the UE's AUTH.
	ContextSetup time.Duration `yaml:"contextSetup" range:"1s,5m"`
	// NASConnection is the wait for the UE's TCP connection once the signalling SA is up.
	NASConnection time.Duration `yaml:"nasConnection" range:"1s,5m"`
	// ChildSetup is the wait for the child SAs of a PDU session. A UE that is busy is asked again after up to 15 s.
	ChildSetup time.Duration `yaml:"childSetup" range:"1s,5m"`
	// Release is the wait for UE CONTEXT RELEASE COMMAND after a request; one retry follows.
	Release time.Duration `yaml:"release" range:"1s,5m"`
	// Inactivity releases a UE that has sent and got no user data for so long, with cause user-inactivity. It stays registered and comes
	// back with a Service Request. 0: never.
	Inactivity time.Duration `yaml:"inactivity" range:"0s,720h" reload:"now"`
	// AMFHold is how long UEs are kept when their AMF is lost.
	AMFHold time.Duration `yaml:"amfHold" range:"0s,1h"`
	// UEBackOffMin and UEBackOffMax bound the random N3GPP_BACKOFF_TIMER told to a refused UE (TS 24.502 9.3.1.7).
	UEBackOffMin time.Duration `yaml:"ueBackOffMin" range:"2s,1h"`
	// UEBackOffMax is the upper bound. Not less than UEBackOffMin.
	UEBackOffMax time.Duration `yaml:"ueBackOffMax" range:"2s,3h"`
}

// DataPlane says who handles user packets.
type DataPlane struct {
	// Kind is the maker of the data plane: "user" is ESP in this process, which needs no privilege; "kernel" is ESP in the Linux kernel (tested on 4.19, 5.10,
	// 6.1 and 6.12; before 5.19 it needs nf_tables and nfnetlink_log too), which needs CAP_NET_ADMIN and CAP_NET_RAW.
	Kind string `yaml:"kind" enum:"user,kernel" because:"SAs are in the kernel or in this process, and cannot change places"`
	// InterfaceID is for "kernel": the number by which the kernel knows what belongs to this N3IWF. It also names the interface: nwu1. Give each N3IWF
	// of one host its own; what has this number at the start is removed.
	InterfaceID uint32 `yaml:"interfaceID" range:"1,4294967295" because:"what is in the kernel carries it"`
	// UserPlane is for "kernel", and says who forwards user packets between child SAs and N3: "ebpf", programs in the kernel (5.10 or newer, CAP_BPF),
	// which leave what is rare to this process; "relay", this process; "auto", the first one if the kernel has what it needs.
	UserPlane string `yaml:"userPlane" enum:"auto,ebpf,relay" reload:"takeover"`
	// Workers is the number of packet workers. 0: one per CPU that this process may use.
	Workers int `yaml:"workers" range:"0,64" because:"it stands in the SPIs of all UEs, by which the workers get their packets"`
}

// Log says what is logged. Logs go to standard error.
type Log struct {
	// Level is the least severe level that is logged.
	Level string `yaml:"level" enum:"debug,info,warn,error" reload:"now"`
	// Format is "text" for people or "json" for machines.
	Format string `yaml:"format" enum:"text,json" reload:"now"`
	// LinesPerSecond is how many lines of one message are logged in a second; the next line of it says how many were left out. It keeps
	// strangers and UEs, who can provoke lines, from filling the log. 0: no limit.
	LinesPerSecond int `yaml:"linesPerSecond" range:"0,1000000" reload:"now"`
}

// Debug holds switches for the laboratory.
type Debug struct {
	// KeyLog is a directory where the keys of all UEs are written in Wireshark's own table formats (ikev2_decryption_table,
	// esp_sa). Whoever reads it can decrypt all traffic. Empty: off.
	KeyLog string `yaml:"keylog" reload:"new"`
	// Identities logs what a UE calls itself in its first NAS message: its 5G-GUTI or SUCI, which is its SUPI with the null scheme.
	Identities bool `yaml:"identities" reload:"now"`
}
