// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"

	"github.com/goccy/go-yaml"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
)

// Config is the core's file.
type Config struct {
	Name  string `yaml:"name"`
	MCC   string `yaml:"mcc"`
	MNC   string `yaml:"mnc"`
	AMFID string `yaml:"amfId"` // region, set and pointer, 6 hexadecimal digits
	TAC   string `yaml:"tac"`
	// Listen is the SCTP address of N2. Transport is auto, kernel, udp or raw; UDPPort that of udp (0: 9899).
	Listen    netip.AddrPort `yaml:"listen"`
	Transport string         `yaml:"transport"`
	UDPPort   int            `yaml:"udpPort"`
	// UPF is the GTP-U address, Pool the addresses for PDU sessions.
	UPF  netip.Addr   `yaml:"upf"`
	Pool netip.Prefix `yaml:"pool"`
	// Ciphering prefers NEA2 where the UE has it.
	Ciphering   bool           `yaml:"ciphering"`
	Slices      []Slice        `yaml:"slices"`
	DNNs        []DNN          `yaml:"dnns"`
	Subscribers []Subscription `yaml:"subscribers"`
	// AnySubscriber serves every IMSI of the PLMN with the keys of the first subscriber: for load tests.
	AnySubscriber bool `yaml:"anySubscriber"`
}

// Slice is an S-NSSAI.
type Slice struct {
	SST uint8  `yaml:"sst"`
	SD  string `yaml:"sd"`
}

// DNN is a data network with the QoS flows of its PDU sessions, the default one first.
type DNN struct {
	Name  string `yaml:"name"`
	Flows []Flow `yaml:"flows"`
}

// Flow is a QoS flow. Protocol, when not 0, filters its packets by IP protocol.
type Flow struct {
	QFI      uint8 `yaml:"qfi"`
	FiveQI   uint8 `yaml:"5qi"`
	Protocol uint8 `yaml:"protocol"`
}

// Subscription is a subscriber of the network.
type Subscription struct {
	IMSI string `yaml:"imsi"`
	K    string `yaml:"k"`
	OPc  string `yaml:"opc"`
	SQN  string `yaml:"sqn"` // 12 hexadecimal digits; the last one used
}

// LoadConfig reads the file.
func LoadConfig(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name the core's configuration with -c", err)
	}
	c := &Config{}
	if err := yaml.UnmarshalWithOptions(text, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// network is the configuration in the terms of NGAP and NAS.
type network struct {
	plmn        ngap.PLMNIdentity
	nasPLMN     nas.PLMN
	guami       ngap.GUAMI
	nasGUAMI    nas.GUAMI
	tac         ngap.TAC
	slices      []ngap.SNSSAI
	nssai       nas.NSSAI
	dnns        map[string]DNN
	subscribers map[string]*subscriber
	any         *subscriber
}

type subscriber struct {
	imsi string
	key  milenage.Subscriber
	sqn  milenage.SQN
}

func (c *Config) network() (*network, error) {
	n := &network{dnns: map[string]DNN{}, subscribers: map[string]*subscriber{}}
	var err error
	if n.plmn, err = ngap.NewPLMNIdentity(c.MCC, c.MNC); err != nil {
		return nil, err
	}
	n.nasPLMN = nas.PLMN(n.plmn)
	if n.guami, err = ngap.NewGUAMI(n.plmn, c.AMFID); err != nil {
		return nil, err
	}
	n.nasGUAMI = nas.GUAMI{PLMN: n.nasPLMN, Region: uint8(n.guami.AMFRegionID), Set: uint16(n.guami.AMFSetID), Pointer: uint8(n.guami.AMFPointer)}
	if n.tac, err = ngap.ParseTAC(c.TAC); err != nil {
		return nil, err
	}
	for _, s := range c.Slices {
		slice, plain := ngap.NewSNSSAI(s.SST, nil), nas.SNSSAI{SST: s.SST}
		if s.SD != "" {
			b, err := hex.DecodeString(s.SD)
			if err != nil || len(b) != 3 {
				return nil, fmt.Errorf("slice differentiator %q: want 6 hexadecimal digits", s.SD)
			}
			sd := ngap.SD(b)
			slice.SD, plain.HasSD, plain.SD = &sd, true, [3]byte(b)
		}
		n.slices, n.nssai = append(n.slices, slice), append(n.nssai, plain)
	}
	for _, d := range c.DNNs {
		if len(d.Flows) == 0 {
			return nil, fmt.Errorf("DNN %s: give at least one QoS flow", d.Name)
		}
		n.dnns[d.Name] = d
	}
	for _, s := range c.Subscribers {
		sub := &subscriber{imsi: s.IMSI}
		for _, key := range []struct {
			text string
			to   *[16]byte
		}{{s.K, &sub.key.K}, {s.OPc, &sub.key.OPc}} {
			b, err := hex.DecodeString(key.text)
			if err != nil || len(b) != 16 {
				return nil, fmt.Errorf("subscriber %s: K and OPc are 32 hexadecimal digits each", s.IMSI)
			}
			*key.to = [16]byte(b)
		}
		if s.SQN != "" {
			b, err := hex.DecodeString(s.SQN)
			if err != nil || len(b) != 6 {
				return nil, fmt.Errorf("subscriber %s: SQN is 12 hexadecimal digits", s.IMSI)
			}
			sub.sqn = milenage.ParseSQN([6]byte(b))
		}
		n.subscribers[s.IMSI] = sub
		if c.AnySubscriber && n.any == nil {
			n.any = sub
		}
	}
	return n, nil
}

// subscriber finds a subscriber by IMSI.
func (n *network) subscriber(imsi string) *subscriber {
	if s := n.subscribers[imsi]; s != nil {
		return s
	}
	if n.any == nil {
		return nil
	}
	s := &subscriber{imsi: imsi, key: n.any.key}
	n.subscribers[imsi] = s
	return s
}
