// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"
)

// Default returns the configuration of an empty file. What it leaves empty is either required or derived from other
// values when a file is loaded.
func Default() *Config {
	return &Config{
		N3IWF: N3IWF{
			GlobalN3IWFID: GlobalN3IWFID{ID: 1},
			Name:          "n3iwf",
		},
		NWu: NWu{
			Addresses:        []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()},
			IKEPort:          500,
			NATTPort:         4500,
			Certificate:      Certificate{Send: "onRequest"},
			UDPEncapsulation: "always",
			NAS:              NAS{Port: 20000},
			UserPlane:        UserPlane{ChildSAs: "one", EnforceRates: true},
			IKE: IKE{
				Profile: "default",
				HalfOpen: HalfOpen{
					CookieThreshold:           1000,
					CookieThresholdPerAddress: 20,
					CookieLifetime:            time.Minute,
					Limit:                     10000,
					LimitPerAddress:           100,
					PrefixIPv4:                32,
					PrefixIPv6:                64,
					Timeout:                   30 * time.Second,
				},
				Retransmission: Retransmission{Initial: 2 * time.Second, Base: 1.8, Tries: 5},
				Liveness:       Liveness{Period: 2 * time.Minute},
				FragmentSize:   1280,
				Lifetime:       Lifetime{Soft: 6 * time.Hour, Hard: 8 * time.Hour, Jitter: 0.1},
				Window:         1,
			},
			ESP: ESP{
				ESN:          true,
				ReplayWindow: 1024,
				Lifetime:     Lifetime{Soft: 2 * time.Hour, Hard: 3 * time.Hour, Jitter: 0.1},
			},
			MOBIKE: MOBIKE{
				Enabled:           true,
				ReturnRoutability: "before",
				ProvenFor:         10 * time.Minute,
				FollowESP:         "port+rr",
				Patience:          5 * time.Minute,
				MovesPerMinute:    120,
				WatchAddresses:    true,
				Switch:            Switch{VendorID: "open-n3iwf switch-to-ip-address 1", Notify: 60200, Capability: 1},
			},
		},
		N2: N2{
			Transport: "auto",
			Streams:   16,
			BackOff:   BackOff{Initial: 5 * time.Second, Max: time.Minute},
			SCTP: SCTP{
				RTOMin:             500 * time.Millisecond,
				RTOInitial:         time.Second,
				RTOMax:             5 * time.Second,
				Heartbeat:          5 * time.Second,
				MaxRetransmissions: 3,
			},
		},
		N3: N3{
			Port:           2152,
			Echo:           Echo{Interval: time.Minute, Timeout: 3 * time.Second, Tries: 5},
			TEIDQuarantine: time.Minute,
		},
		Cluster: Cluster{
			NodeBits: 2, Address: netip.IPv4Unspecified(), Port: defaultClusterPort, Downlink: "modifyIndication", Grace: 30 * time.Second, Rate: 50,
		},
		Limits: Limits{MaxUEs: 20000, PDUSessionsPerUE: 15, ChildSAsPerUE: 64, NASQueue: 16},
		Timers: Timers{
			EAPStep:       20 * time.Second,
			AMFAnswer:     10 * time.Second,
			Registration:  time.Minute,
			ContextSetup:  10 * time.Second,
			NASConnection: 10 * time.Second,
			ChildSetup:    20 * time.Second,
			Release:       5 * time.Second,
			AMFHold:       30 * time.Second,
			UEBackOffMin:  time.Minute,
			UEBackOffMax:  10 * time.Minute,
		},
		DataPlane:  DataPlane{Kind: "user", InterfaceID: 1, UserPlane: "auto"},
		Management: Management{Socket: DefaultSocket, Traces: Traces{Ratio: 1}},
		Log:        Log{Level: "info", Format: "text", LinesPerSecond: 100},
	}
}

// DefaultAMF is what an entry of n2.amfs begins with.
func DefaultAMF() AMF { return AMF{Port: 38412, UDPPort: 9899} }

// DefaultSupportedTA is what an entry of n3iwf.supportedTAs begins with.
func DefaultSupportedTA() SupportedTA { return SupportedTA{TAC: 1} }

// defaultSlices is what a PLMN without slices offers.
func defaultSlices() []SNSSAI { return []SNSSAI{{SST: 1}} }
