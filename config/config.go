// SPDX-License-Identifier: Apache-2.0

// Package config is the operator's file: YAML in, defaults for everything that has a sensible one, and a check of
// every value before the network function starts. It is plain data: it knows no other package of this module, and the
// packages that are configured have Options of their own that n3iwf and cmd/n3iwf fill from here.
//
// A problem in the file is reported as "file:line: key: what is wrong; what to do", and all problems of a file are
// reported at once (see [Problems]). Keys are case-sensitive; a key that does not exist is an error.
//
// The struct tags carry what can be said about one value by itself: `range:"1,65535"` for numbers and durations
// (inclusive), `enum:"auto,kernel"` for text, and `reload:"now"` for what can change while UEs are connected, else
// `because:"..."` for why not. What several values must fulfil together is in the validate_*.go files.
package config

//go:generate go run ./reference/gen

// Config is a whole configuration file. The zero value is not usable: start from [Default] or [Load].
type Config struct {
	// N3IWF is who this network function is: its identity towards AMFs and the tracking areas it serves.
	N3IWF N3IWF `yaml:"n3iwf"`
	// NWu is the side of the UEs: IKEv2, IPsec, inner addresses.
	NWu NWu `yaml:"nwu"`
	// N2 is the side of the AMFs: NGAP over SCTP.
	N2 N2 `yaml:"n2"`
	// N3 is the side of the UPFs: GTP-U.
	N3 N3 `yaml:"n3"`
	// Cluster names the other nodes of this N3IWF, when there are several.
	Cluster Cluster `yaml:"cluster"`
	// Limits bound what UEs can make this network function hold.
	Limits Limits `yaml:"limits" reload:"now"`
	// Timers are the guards of the 3GPP procedures. Timers of one protocol are found beside that protocol.
	Timers Timers `yaml:"timers" reload:"new"`
	// DataPlane says who handles ESP, GRE and GTP-U packets.
	DataPlane DataPlane `yaml:"dataPlane"`
	// Management is the API, the metrics and the status page.
	Management Management `yaml:"management"`
	// Log says what is logged and how.
	Log Log `yaml:"log"`
	// Debug holds switches for the laboratory. All are off by default.
	Debug Debug `yaml:"debug"`
}
