// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"time"
)

// NWu is everything between the UEs and this network function (TS 24.502).
type NWu struct {
	// Addresses are the local addresses that UEs reach, IPv4 and IPv6. Default: all of this machine, both families.
	// One that a reload takes away is served for 10 s more; UEs with MOBIKE go to another one of mobike.additionalAddresses. A reload is
	// refused that would leave UEs without address or port, and in a cluster, whose other nodes have been told.
	Addresses []netip.Addr `yaml:"addresses" reload:"now"`
	// IKEPort is the UDP port of IKE without NAT traversal (RFC 7296 2). UEs expect 500.
	IKEPort uint16 `yaml:"ikePort" range:"1,65535" reload:"now"`
	// NATTPort is the UDP port of IKE and UDP-encapsulated ESP (RFC 3948). UEs expect 4500.
	NATTPort uint16 `yaml:"nattPort" range:"1,65535" reload:"now"`
	// Identity is what the N3IWF calls itself in IDr: an FQDN or an IP address that the certificate names as a subject
	// alternative name. Default: the certificate's first DNS name, else its first IP address.
	Identity string `yaml:"identity" reload:"new"`
	// Certificate proves the identity. Required.
	Certificate Certificate `yaml:"certificate" reload:"now"`
	// UDPEncapsulation says when ESP travels in UDP: "always" makes every UE believe that a NAT is on the path, so that
	// moves between networks with and without NAT need no change of form; "auto" tells UEs what NAT detection finds, and
	// needs the right to open raw sockets for ESP (IP protocol 50). The form of ESP follows the UE's port all the same: UDP
	// once it is at 4500, where UEs with MOBIKE go at once. A UE that expects plain ESP there gets nothing.
	UDPEncapsulation string `yaml:"udpEncapsulation" enum:"always,auto" reload:"new"`
	// ForbiddenNetworks are networks that no UE may come from nor move to: IKE_SA_INIT from there gets no answer, a move to there
	// is answered with UNACCEPTABLE_ADDRESSES. What they are changes for UEs that come or move after a reload.
	ForbiddenNetworks []netip.Prefix `yaml:"forbiddenNetworks" reload:"now"`
	// UEPools are the ranges of inner addresses given to UEs. One of them is required. A reload that takes the addresses away that UEs have is
	// refused; nodes of a cluster are given other pools one after the other.
	UEPools UEPools `yaml:"uePools" reload:"now"`
	// NAS is the inner TCP endpoint of NAS signalling (TS 24.502 8.2).
	NAS NAS `yaml:"nas" because:"UEs have been told it, and have it in their signalling SAs"`
	// UserPlane is the inner endpoint of GRE user data (TS 24.502 8.3).
	UserPlane UserPlane `yaml:"userPlane"`
	// IKE is the control protocol.
	IKE IKE `yaml:"ike"`
	// ESP is the protection of packets.
	ESP ESP `yaml:"esp"`
	// MOBIKE lets a UE change its outer address (RFC 4555).
	MOBIKE MOBIKE `yaml:"mobike" reload:"now"`
}

// Certificate is the N3IWF's X.509 certificate (TS 33.501 7.2.1, TS 33.310).
type Certificate struct {
	// Chain is a PEM file with the certificate first and then its intermediates, or the PEM text itself. A relative
	// file name is relative to the configuration file. Required.
	Chain string `yaml:"chain"`
	// Key is a PEM file with the private key (PKCS #8, PKCS #1 or SEC 1; RSA of at least 2048 bits, ECDSA P-256, P-384 or
	// P-521, or Ed25519, which only UEs that know RFC 8420 can verify), or the PEM text itself. It is never printed. Required.
	Key Secret `yaml:"key"`
	// Issuers is a PEM file with the authorities above the chain, which are not sent: by them the certificate that a UE's
	// CERTREQ asks for is found among several.
	Issuers string `yaml:"issuers"`
	// Further are more certificates of the same identity, such as one with RSA beside one with ECDSA, or of another
	// authority. A UE gets the first one that its CERTREQ asks for and whose signature it can verify.
	Further []FurtherCertificate `yaml:"further"`
	// Send says when CERT payloads are sent: "onRequest", when the UE sent CERTREQ (a UE without it trusts the N3IWF
	// through the key that the AMF gave, TS 33.501 7.2.1), or "always".
	Send string `yaml:"send" enum:"onRequest,always" reload:"new"`
}

// FurtherCertificate is one more certificate of the N3IWF.
type FurtherCertificate struct {
	// Chain is as nwu.certificate.chain. Required.
	Chain string `yaml:"chain"`
	// Key is as nwu.certificate.key. Required.
	Key Secret `yaml:"key"`
	// Issuers is as nwu.certificate.issuers.
	Issuers string `yaml:"issuers"`
}

// UEPools are the prefixes that inner UE addresses are taken from. Prefixes must not overlap. The network and broadcast
// addresses of IPv4 prefixes and the addresses of NAS and UserPlane are never given out.
type UEPools struct {
	// IPv4 prefixes, for example 10.60.0.0/16.
	IPv4 []netip.Prefix `yaml:"ipv4"`
	// IPv6 prefixes, for example fd00:60::/64. Each UE gets one /128.
	IPv6 []netip.Prefix `yaml:"ipv6"`
}

// NAS is where UEs open the TCP connection for NAS, inside the signalling SA.
type NAS struct {
	// IPv4 is announced as NAS_IP4_ADDRESS. Default: the first address of the first IPv4 pool.
	IPv4 netip.Addr `yaml:"ipv4"`
	// IPv6 is announced as NAS_IP6_ADDRESS. Default: the first address (::1) of the first IPv6 pool.
	IPv6 netip.Addr `yaml:"ipv6"`
	// Port is announced as NAS_TCP_PORT.
	Port uint16 `yaml:"port" range:"1,65535"`
}

// UserPlane is where UEs send GRE user data, inside the user-plane child SAs.
type UserPlane struct {
	// IPv4 is announced as UP_IP4_ADDRESS. Default: the second address of the first IPv4 pool.
	IPv4 netip.Addr `yaml:"ipv4" because:"UEs have been told it, and have it in their child SAs"`
	// IPv6 is announced as UP_IP6_ADDRESS. Default: the second address (::2) of the first IPv6 pool.
	IPv6 netip.Addr `yaml:"ipv6" because:"UEs have been told it, and have it in their child SAs"`
	// ChildSAs says how the QoS flows of a PDU session share child SAs: "one" for all flows; "perFlow"; or "gbrApart", one for
	// all GBR flows and one for all others. The session's default child SA is that of the first flow that is not GBR. Flows of
	// different DSCP never share one.
	ChildSAs string `yaml:"childSAs" enum:"one,perFlow,gbrApart" reload:"new"`
	// DSCP marks the outer header of child SAs by the 5QI of their flows, and tells it to the UE, which marks uplink (DSCPI of
	// 5G_QOS_INFO, TS 24.502 9.3.1.1). The network of a relay UE or of the access can map it. Flows of other 5QIs are not marked.
	DSCP []FiveQIDSCP `yaml:"dscp" reload:"new"`
	// PathMTU is the MTU of the path to UEs in octets. What does not fit is fragmented inside its child SA, in the GRE delivery
	// packet, for paths that lose IP fragments. 0 leaves that to the outer IP packets; but with ESP in the kernel, inner IPv6 packets
	// are fragmented by what the kernel knows of the path. A relay UE's PDU session often has 1358.
	PathMTU int `yaml:"pathMTU" range:"0,65535" reload:"now"`
	// EnforceRates drops what exceeds the UE-AMBR (flows that are not GBR, all PDU sessions together) or a GBR flow's maximum bit
	// rate, in each direction (TS 23.501 5.7.1.8, 5.7.2.6). Programs in the kernel and this process measure apart: a UE that has
	// half of its packets fragmented, which are this process's, may get up to twice the rate.
	EnforceRates bool `yaml:"enforceRates" reload:"now"`
}

// FiveQIDSCP is the marking of one 5QI.
type FiveQIDSCP struct {
	// FiveQI is a standardized or operator-specific 5QI (TS 23.501 5.7.4).
	FiveQI uint8 `yaml:"fiveQI" range:"0,255"`
	// DSCP is the six-bit value, such as 46 for expedited forwarding.
	DSCP uint8 `yaml:"dscp" range:"0,63"`
}

// IKE configures IKEv2 (RFC 7296).
type IKE struct {
	// Profile names the accepted algorithms of IKE and ESP: "default" (RFC 8247, RFC 8221), "3gpp-33.210" (only those of
	// TS 33.210), "hybrid-pq" (default, with ML-KEM after the first key exchange for UEs that can, RFC 9370), "cnsa"
	// (AES-256-GCM, SHA-384 and P-384, with ML-KEM-1024 for UEs that can), "cnsa-2.0" (the same, only with ML-KEM-1024), or
	// "legacy-lab", which adds HMAC-SHA1-96 and PRF-HMAC-SHA1 to default for old UE simulators; as those end with the first
	// rekey, SAs have no lifetime in that profile unless the file gives one.
	Profile string `yaml:"profile" enum:"default,3gpp-33.210,hybrid-pq,cnsa,cnsa-2.0,legacy-lab" reload:"new"`
	// HalfOpen bounds what unauthenticated peers can cost.
	HalfOpen HalfOpen `yaml:"halfOpen" reload:"now"`
	// Retransmission of the N3IWF's own requests.
	Retransmission Retransmission `yaml:"retransmission" reload:"now"`
	// Liveness finds UEs that are gone (TS 24.502 7.9).
	Liveness Liveness `yaml:"liveness" reload:"now"`
	// FragmentSize is the largest IKE datagram, IP header included, before a message is split (RFC 7383), in octets.
	FragmentSize int `yaml:"fragmentSize" range:"576,65535" reload:"now"`
	// Lifetime of an IKE SA. UEs have their own; the one with the shorter time rekeys.
	Lifetime Lifetime `yaml:"lifetime" reload:"now"`
	// Window is how many requests of a UE are taken at once, told to it with SET_WINDOW_SIZE (RFC 7296 2.3). 1 is not told.
	Window int `yaml:"window" range:"1,8" reload:"new"`
	// CrashSecret is a file with the secret of quick crash detection (RFC 6290), made when it is not there: UEs that know it find out at once that the
	// N3IWF has restarted, instead of after minutes. It has to outlive restarts, and no other N3IWF may have the same one. Default: none.
	CrashSecret string `yaml:"crashSecret" reload:"new"`
	// PPK is the use of post-quantum preshared keys (RFC 8784).
	PPK PPK `yaml:"ppk" reload:"new"`
	// RedirectTo is the N3IWF, by address or FQDN, that UEs are sent to while this one stops, if they know RFC 5685. Default: none.
	RedirectTo string `yaml:"redirectTo" reload:"now"`
}

// PPK are secrets that UEs have beside what EAP proves: mixed into the keys, they keep recorded traffic secret even from
// who breaks the key exchange later.
type PPK struct {
	// File has one key a line: its identity (PPK_ID of type fixed), blanks, and the secret in hexadecimal, 32 octets or
	// more; lines that begin with # count nothing. It is read again with the certificates. Empty: PPKs are not used.
	File string `yaml:"file"`
	// Mandatory refuses UEs that have none. Otherwise they come without.
	Mandatory bool `yaml:"mandatory"`
}

// HalfOpen limits IKE SAs between IKE_SA_INIT and EAP success. What counts as one address is up to PrefixIPv4 and PrefixIPv6.
type HalfOpen struct {
	// CookieThreshold is the number of half-open IKE SAs from which all new peers must return a cookie (RFC 7296 2.6).
	CookieThreshold int `yaml:"cookieThreshold" range:"0,1000000"`
	// CookieThresholdPerAddress is the same for one peer address. Carrier-grade NATs put many UEs behind one.
	CookieThresholdPerAddress int `yaml:"cookieThresholdPerAddress" range:"0,1000000"`
	// CookieLifetime is how long a cookie secret is used; the one before it stays valid as long again.
	CookieLifetime time.Duration `yaml:"cookieLifetime" range:"10s,10m"`
	// Limit is the number of half-open IKE SAs above which new ones are dropped silently.
	Limit int `yaml:"limit" range:"1,1000000"`
	// LimitPerAddress is the same for one peer address.
	LimitPerAddress int `yaml:"limitPerAddress" range:"1,1000000"`
	// PrefixIPv4 is the length of the IPv4 prefixes that count as one address.
	PrefixIPv4 int `yaml:"prefixIPv4" range:"8,32"`
	// PrefixIPv6 is the same for IPv6: a UE commonly has a whole /64.
	PrefixIPv6 int `yaml:"prefixIPv6" range:"16,128"`
	// ExemptPrefixes are networks, such as those of relay UEs or of known NATs, that the limits per address do not count.
	ExemptPrefixes []netip.Prefix `yaml:"exemptPrefixes"`
	// Timeout drops an IKE SA whose first valid IKE_AUTH request does not come in time.
	Timeout time.Duration `yaml:"timeout" range:"1s,10m" reload:"new"`
}

// Retransmission of a request: the first wait is Initial, each further one Base times longer, Tries retransmissions in all.
type Retransmission struct {
	// Initial is the wait before the first retransmission.
	Initial time.Duration `yaml:"initial" range:"100ms,1m"`
	// Base is the factor between one wait and the next.
	Base float64 `yaml:"base" range:"1,4"`
	// Tries is the number of retransmissions before the IKE SA is given up.
	Tries int `yaml:"tries" range:"1,20"`
}

// Liveness is dead peer detection (RFC 7296 2.4).
type Liveness struct {
	// Period is the silence after which a UE is probed. 0: never.
	Period time.Duration `yaml:"period" range:"0s,24h"`
}

// ESP configures the packets' protection (RFC 4303).
type ESP struct {
	// Plain allows ESP outside UDP (IP protocol 50), for UEs that use it although they see no NAT. It needs the right to
	// open raw sockets. UDPEncapsulation "auto" implies it.
	Plain bool `yaml:"plain" reload:"new"`
	// ESN prefers extended sequence numbers where the UE offers them.
	ESN bool `yaml:"esn" reload:"new"`
	// ReplayWindow is the size of the anti-replay window in packets. A multiple of 64.
	ReplayWindow int `yaml:"replayWindow" range:"64,65536" reload:"new"`
	// Lifetime of a child SA in time.
	Lifetime Lifetime `yaml:"lifetime" reload:"now"`
	// Volume is what the N3IWF may send on a child SA.
	Volume Volume `yaml:"volume" reload:"new"`
}

// Lifetime is the age at which an SA is rekeyed and at which it ends (RFC 7296 2.8).
type Lifetime struct {
	// Soft is the age at which the N3IWF rekeys; 0: never. Longer than the UEs' own, so that both do not rekey at once.
	Soft time.Duration `yaml:"soft" range:"0s,8760h"`
	// Hard is the age at which the SA ends if no rekey came about; 0: never.
	Hard time.Duration `yaml:"hard" range:"0s,8760h"`
	// Jitter is the share by which Soft differs at random from one SA to the next, up or down.
	Jitter float64 `yaml:"jitter" range:"0,0.5"`
}

// Volume limits what is sent on a child SA. At a soft limit it is rekeyed; at a hard one it sends no more, and ends if its
// rekey is not under way.
type Volume struct {
	// SoftPackets is a number of packets; 0: three quarters of HardPackets.
	SoftPackets uint64 `yaml:"softPackets" range:"0,9223372036854775807"`
	// HardPackets is a number of packets; 0: what the sequence numbers allow (4294967295 without ESN).
	HardPackets uint64 `yaml:"hardPackets" range:"0,9223372036854775807"`
	// SoftBytes is a number of octets of ESP packets; 0: three quarters of HardBytes.
	SoftBytes uint64 `yaml:"softBytes" range:"0,9223372036854775807"`
	// HardBytes is a number of octets of ESP packets; 0: unlimited.
	HardBytes uint64 `yaml:"hardBytes" range:"0,9223372036854775807"`
}

// MOBIKE configures address changes (RFC 4555).
type MOBIKE struct {
	// Enabled answers MOBIKE_SUPPORTED.
	Enabled bool `yaml:"enabled" reload:"new"`
	// ReturnRoutability says when a new UE address is proven with COOKIE2 (RFC 4555 3.7): "before" user data goes there,
	// "after" it has started to, or "off".
	ReturnRoutability string `yaml:"returnRoutability" enum:"before,after,off"`
	// VerifiedNetworks are networks where source addresses cannot be forged; addresses in them need no proof.
	VerifiedNetworks []netip.Prefix `yaml:"verifiedNetworks"`
	// ProvenFor is how long a proven address needs no new proof when the UE comes back to it.
	ProvenFor time.Duration `yaml:"provenFor" range:"0s,24h"`
	// AdditionalAddresses are own addresses announced to UEs beside the one that they use (ADDITIONAL_IP4_ADDRESS,
	// ADDITIONAL_IP6_ADDRESS). Default: the addresses of nwu.addresses, where they are named one by one.
	AdditionalAddresses []netip.Addr `yaml:"additionalAddresses"`
	// FollowESP says what an authenticated ESP packet from a new outer address or port does before the UE has said a word:
	// "port" follows a new port of the same address, as after a NAT's timeout; "rr" follows any new address or port when
	// the UE has answered there; "port+rr" follows a port at once and an address when the UE has answered there; "off"
	// waits for the UE's UPDATE_SA_ADDRESSES.
	FollowESP string `yaml:"followESP" enum:"port+rr,port,rr,off"`
	// Patience is how long a UE that does not answer is kept at least: it may be between two networks (RFC 4555 3.9).
	Patience time.Duration `yaml:"patience" range:"1s,1h"`
	// MovesPerMinute is how often a UE may change its outer address or port; further moves are answered with
	// UNACCEPTABLE_ADDRESSES. 0: no limit.
	MovesPerMinute int `yaml:"movesPerMinute" range:"0,1000000"`
	// WatchAddresses follows the addresses of this machine: when one disappears, UEs that use it are told another one at
	// once (RFC 4555 3.6); when it comes back, that is told too.
	WatchAddresses bool `yaml:"watchAddresses"`
	// Switch asks UEs to move to another address of this N3IWF. It is no standard.
	Switch Switch `yaml:"switch" reload:"new"`
}

// Switch is the extension by which the N3IWF asks a UE to move (SWITCH_TO_IP_ADDRESS). UEs that do not know the vendor ID
// are not asked. Its numbers are private ones.
type Switch struct {
	// Enabled answers the vendor ID.
	Enabled bool `yaml:"enabled"`
	// VendorID is the content of the vendor ID payload of both sides, as text.
	VendorID string `yaml:"vendorID"`
	// Notify is the notify type of the request, one of the private status types.
	Notify uint16 `yaml:"notify" range:"40960,65535"`
	// Capability is the content of MOBIKE_SUPPORTED by which a UE says that it follows, 0 to 255.
	Capability uint8 `yaml:"capability" range:"0,255"`
}
