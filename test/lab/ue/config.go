// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// Config is the UE simulator's file; ue.example.yaml shows every key.
type Config struct {
	Local netip.Addr `yaml:"local"` // outer address
	N3IWF netip.Addr `yaml:"n3iwf"`
	// Ports of the N3IWF and of the UE; 0 is 500 and 4500.
	Ports struct {
		IKE, NATT           uint16
		LocalIKE, LocalNATT uint16
	} `yaml:"ports"`
	// Authority is a PEM file of the CA that the N3IWF's certificate must come from; empty trusts the key of the core alone.
	Authority string `yaml:"authority"`
	// Identity is the N3IWF's FQDN, asked for and checked when Authority is given.
	Identity string `yaml:"identity"`
	Profile  string `yaml:"profile"`
	NoMOBIKE bool   `yaml:"noMobike"`
	// Switch lets the UE follow when the N3IWF asks it to go on at another address (nwu.mobike.switch).
	Switch bool `yaml:"switch"`
	// DataPlane is "user" (ESP in this process, the default) or "kernel" (XFRM, which needs root).
	DataPlane string `yaml:"dataPlane"`
	// InterfaceID is for kernel: the number of what belongs to this UE in the kernel; 0 is 1.
	InterfaceID uint32 `yaml:"interfaceID"`
	Subscriber  struct {
		IMSI      string `yaml:"imsi"`
		MCC       string `yaml:"mcc"`
		MNC       string `yaml:"mnc"`
		K         string `yaml:"k"`
		OPc       string `yaml:"opc"`
		Ciphering bool   `yaml:"ciphering"`
	} `yaml:"subscriber"`
	Session struct {
		DNN  string     `yaml:"dnn"`
		SST  uint8      `yaml:"sst"`
		SD   string     `yaml:"sd"`
		Ping netip.Addr `yaml:"ping"`
	} `yaml:"session"`
	TimeoutSeconds int `yaml:"timeout"`
}

// LoadConfig reads the file and checks it. Errors name the file, the key and what to write there.
func LoadConfig(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; name the UE's configuration with -c", err)
	}
	c := &Config{}
	if err := yaml.UnmarshalWithOptions(text, c, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if c.Authority != "" && !filepath.IsAbs(c.Authority) {
		c.Authority = filepath.Join(filepath.Dir(file), c.Authority)
	}
	return c, nil
}

func (c *Config) check() error {
	switch s := c.Subscriber; {
	case !c.Local.IsValid():
		return errors.New("local: give the UE's outer address, such as 127.0.0.2")
	case !c.N3IWF.IsValid():
		return errors.New("n3iwf: give the N3IWF's address, such as 127.0.0.3")
	case c.Local.Is4() != c.N3IWF.Is4():
		return fmt.Errorf("n3iwf: %s and local %s are of two IP families; give two of one", c.N3IWF, c.Local)
	case c.DataPlane != "" && c.DataPlane != "user" && c.DataPlane != "kernel":
		return fmt.Errorf("dataPlane: %q: write user or kernel", c.DataPlane)
	case c.Authority != "" && c.Identity == "":
		return errors.New("identity: give the name in the N3IWF's certificate, as authority asks to check it")
	case !digits(s.MCC, 3, 3):
		return fmt.Errorf("subscriber.mcc: %q: give 3 digits, in quotes", s.MCC)
	case !digits(s.MNC, 2, 3):
		return fmt.Errorf("subscriber.mnc: %q: give 2 or 3 digits, in quotes", s.MNC)
	case !digits(s.IMSI, 6, 15) || !strings.HasPrefix(s.IMSI, s.MCC+s.MNC):
		return fmt.Errorf("subscriber.imsi: %q: give up to 15 digits that begin with mcc and mnc, in quotes", s.IMSI)
	case !c.Session.Ping.IsValid():
		return errors.New("session.ping: give an address of the data network, such as 192.0.2.1")
	}
	return nil
}

// digits tells whether s consists of least to most decimal digits.
func digits(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// Timeout bounds registration and session set-up.
func (c *Config) Timeout() time.Duration {
	if c.TimeoutSeconds == 0 {
		return 30 * time.Second
	}
	return time.Duration(c.TimeoutSeconds) * time.Second
}

// Slice is the slice of the PDU session.
func (c *Config) Slice() *nas.SNSSAI {
	s := &nas.SNSSAI{SST: c.Session.SST}
	if b, err := hex.DecodeString(c.Session.SD); err == nil && len(b) == 3 {
		s.HasSD, s.SD = true, [3]byte(b)
	}
	return s
}

// Options turns the file into a UE.
func (c *Config) Options(log *slog.Logger, step func(string)) (Options, error) {
	o := Options{
		Local: c.Local, N3IWF: c.N3IWF, LocalIKE: c.Ports.LocalIKE, LocalNATT: c.Ports.LocalNATT, IKEPort: c.Ports.IKE, NATTPort: c.Ports.NATT,
		N3IWFIdentity: c.Identity, Profile: c.Profile, NoMOBIKE: c.NoMOBIKE, Step: step, Logger: log,
		Subscriber: Subscriber{
			IMSI: c.Subscriber.IMSI, MCC: c.Subscriber.MCC, MNC: c.Subscriber.MNC, Ciphering: c.Subscriber.Ciphering, Slices: []nas.SNSSAI{*c.Slice()},
		},
	}
	if c.Switch {
		o.Switch = ikev2.DefaultSwitch()
	}
	if c.DataPlane == "kernel" {
		o.Kernel = max(1, c.InterfaceID)
	}
	for _, key := range []struct {
		name, text string
		to         *[16]byte
	}{{"k", c.Subscriber.K, &o.Subscriber.Key.K}, {"opc", c.Subscriber.OPc, &o.Subscriber.Key.OPc}} {
		b, err := hex.DecodeString(key.text)
		if err != nil || len(b) != 16 {
			return o, fmt.Errorf("subscriber.%s: want 32 hexadecimal digits", key.name)
		}
		*key.to = [16]byte(b)
	}
	if c.Authority != "" {
		text, err := os.ReadFile(c.Authority)
		if err != nil {
			return o, fmt.Errorf("authority: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return o, fmt.Errorf("authority: %s holds no PEM block", c.Authority)
		}
		if o.Authority, err = x509.ParseCertificate(block.Bytes); err != nil {
			return o, fmt.Errorf("authority: %w", err)
		}
	}
	return o, nil
}
