// SPDX-License-Identifier: Apache-2.0

package core

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Config is the core's file. What is not given has the value of [DefaultConfig]; core.example.yaml shows every key.
type Config struct {
	Name  string `yaml:"name"`
	MCC   string `yaml:"mcc"`
	MNC   string `yaml:"mnc"`
	AMFID string `yaml:"amfId"` // region, set and pointer, 6 hexadecimal digits
	TAC   string `yaml:"tac"`
	NID   string `yaml:"nid"` // makes the network an SNPN: 11 hexadecimal digits; empty: it is the PLMN
	// Listen is the SCTP address of N2. Transport is auto, kernel, udp or raw; UDPPort that of udp (0: 9899, -1: any free one).
	Listen    string `yaml:"listen"`
	Transport string `yaml:"transport"`
	UDPPort   int    `yaml:"udpPort"`
	// Homes are further addresses of Listen's association (multi-homing), which user-space SCTP does not use. Heartbeat is how often SCTP looks after its
	// peers; 0: 5 s.
	Homes     []string      `yaml:"homes"`
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Capacity is the AMF's relative capacity. Associations are further SCTP addresses of it, for TNL associations that it asks for.
	Capacity     uint8    `yaml:"capacity"`
	Associations []string `yaml:"associations"`
	AMFs         []AMF    `yaml:"amfs"`
	// Retain keeps UE contexts when an N3IWF that has kept its own sets NG up again.
	Retain bool `yaml:"retain"`
	// Variant is whose habits the AMF has: free5gc, open5gs, shuffled (IEs in any order, Registration Accept twice), extended (IEs of
	// later releases), minimal (no optional IEs), or none.
	Variant string `yaml:"variant"`
	// UPF is the GTP-U address, Pool the IPv4 addresses for PDU sessions.
	UPF  string `yaml:"upf"`
	Pool string `yaml:"pool"`
	// Pool6 are IPv6 prefixes; each PDU session that asks for IPv4v6 may have a /64 of it delegated. Empty: there is no IPv6.
	Pool6 string `yaml:"pool6"`
	// N6 lets PDU sessions reach real hosts.
	N6 N6 `yaml:"n6"`
	// Ciphering takes NEA2 where the UE has it, otherwise and for other UEs NEA0.
	Ciphering bool `yaml:"ciphering"`
	// EarlyAccept sends Registration Accept inside the context set-up instead of behind it, so that the N3IWF must keep it.
	EarlyAccept bool `yaml:"earlyAccept"`
	// AMBR is the aggregate maximum bit rate of a UE and of each session, in Mbit/s.
	AMBR        uint64         `yaml:"ambr"`
	Slices      []Slice        `yaml:"slices"`
	DNNs        []DNN          `yaml:"dnns"`
	Subscribers []Subscription `yaml:"subscribers"`
	// AnySubscriber serves every IMSI of the PLMN with the keys of the first subscriber: for load tests.
	AnySubscriber bool `yaml:"anySubscriber"`
	// HomeNetworkKeys reveal concealed identities: X25519 private keys by the identifier that the UE names.
	HomeNetworkKeys []HomeNetworkKey `yaml:"homeNetworkKeys"`
}

// Slice is an S-NSSAI.
type Slice struct {
	SST uint8  `yaml:"sst"`
	SD  string `yaml:"sd"` // 6 hexadecimal digits, or empty
}

// DNN is a data network with the QoS flows of its PDU sessions, the default one first.
type DNN struct {
	Name  string   `yaml:"name"`
	Flows []Flow   `yaml:"flows"`
	DNS   []string `yaml:"dns"` // IPv4 addresses; told to UEs that ask
	MTU   uint16   `yaml:"mtu"` // of the link, told to UEs that ask; 0: 1400
}

// Flow is a QoS flow. Protocol, Remote and Port say which packets it takes; all that are given must match. The first flow of a DNN takes what no
// other one takes; another flow with none of them is set up but gets a packet only from the network.
type Flow struct {
	QFI      uint8  `yaml:"qfi"`
	FiveQI   uint8  `yaml:"5qi"`
	Protocol uint8  `yaml:"protocol"` // of IP
	Remote   string `yaml:"remote"`   // IPv4 prefix of the data network
	Port     uint16 `yaml:"port"`     // of the data network's side
	// Guaranteed and Maximum bit rate in Mbit/s, both directions, make it a GBR flow.
	Guaranteed uint64 `yaml:"guaranteed"`
	Maximum    uint64 `yaml:"maximum"`
	Reflective bool   `yaml:"reflective"` // subject to reflective QoS
	// DSCP, if not 0, takes packets with it, also downlink ones that real hosts send (N6).
	DSCP uint8 `yaml:"dscp"`
}

// N6 says which real hosts PDU sessions reach, by UDP.
type N6 struct {
	Hosts []string `yaml:"hosts"` // prefixes
	// NAT are addresses of this machine that packets leave from, one of a family. Without one they leave with the session's address, which must be a
	// local one too.
	NAT []string `yaml:"nat"`
}

// Subscription is a subscriber of the network.
type Subscription struct {
	IMSI string `yaml:"imsi"`
	K    string `yaml:"k"`
	OPc  string `yaml:"opc"`
	SQN  string `yaml:"sqn"` // 12 hexadecimal digits; the last one used
	// Reject is a 5GMM cause: registrations of this subscriber are rejected with it.
	Reject uint8 `yaml:"reject"`
}

// HomeNetworkKey is a private key of SUCI profile A.
type HomeNetworkKey struct {
	ID  uint8  `yaml:"id"`
	Key string `yaml:"key"` // 64 hexadecimal digits
}

// DefaultConfig returns what a file need not say.
func DefaultConfig() *Config {
	return &Config{
		Name: "lab-amf", AMFID: "cafe00", Capacity: 255, Transport: "auto", AMBR: 1000,
		Slices: []Slice{{SST: 1}},
		DNNs:   []DNN{{Name: "internet", Flows: []Flow{{QFI: 1, FiveQI: 9}}}},
	}
}

// ConfigError is a wrong value. Path is that of its key, such as $.subscribers[0].k.
type ConfigError struct {
	Path string
	What string
}

func (e *ConfigError) Error() string { return e.Path[2:] + ": " + e.What }

// LoadConfig reads the file and checks it. Errors name file, line and key.
func LoadConfig(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name the core's configuration with -c", err)
	}
	return parseConfig(file, text)
}

func parseConfig(file string, text []byte) (*Config, error) {
	c := DefaultConfig()
	if err := yaml.UnmarshalWithOptions(text, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	_, err := c.network()
	var wrong *ConfigError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("%s:%d: %w", file, lineOf(text, wrong.Path), err)
	}
	return c, err
}

// lineOf finds the line of a key, or of the nearest one above it that the file has.
func lineOf(text []byte, path string) int {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return 1
	}
	for len(path) > 1 {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(file); err == nil && node != nil {
				return startOf(node)
			}
		}
		cut := len(path) - 1
		for cut > 0 && path[cut] != '.' && path[cut] != '[' {
			cut--
		}
		path = path[:cut]
	}
	return 1
}

// startOf is the first line of a node; that of a mapping is not its token's, which is a colon.
func startOf(node ast.Node) int {
	line := node.GetToken().Position.Line
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 {
		line = m.Values[0].Key.GetToken().Position.Line
	}
	return line
}
