// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/open-n3iwf/n3iwf/test/vm/job"

// suite is something that runs in the guest: the tests of a package.
type suite struct {
	name    string
	pkg     string   // of this module, relative to its root
	tags    string   // build tags
	args    []string // of the test binary
	flags   []string // of the package's own, which -run leaves as they are
	seconds int      // limit under emulation
	extra   bool     // only runs when it is named
	tools   []string // programs of the host that it needs besides those of every guest
	with    []string // commands of this module that it runs
	opened  []string // shared libraries of the host that its programs open by name
}

// suites are what `make test-kernel` runs, in this order, but for the extra ones.
var suites = []suite{
	{name: "sctp", pkg: "./ngap/transport", tags: "kernelsctp", args: []string{"-test.run", "Kernel|Linux"}, seconds: 240},
	{name: "xfrm", pkg: "./nwu/ipsec/kernel/xfrm", tags: "kernelipsec", seconds: 60},
	{name: "ipsec", pkg: "./nwu/ipsec/kernel", tags: "kernelipsec", args: []string{"-test.skip", "PacketLog"}, seconds: 420},
	{name: "ebpf", pkg: "./gre/ebpf", tags: "kernelipsec", seconds: 240},
	{name: "e2e", pkg: "./test/vm/e2e", tags: "kernelipsec", args: []string{"-test.skip", "Demo"}, seconds: 180, with: []string{"./cmd/n3iwf"}},
	{
		name: "demo", pkg: "./test/vm/e2e", tags: "kernelipsec", args: []string{"-test.run", "Demo"}, seconds: 240,
		with: []string{"./cmd/nwulab", "./cmd/n3iwf"}, tools: []string{"conntrack"},
	},
	strongSwan("strongswan", 300, "interop.md", "-our-esp=kernel", "-essential"),
	strongSwan("strongswan-user", 120, "interop.md", "-our-esp=user", "-essential"),
	strongSwan("strongswan-all", 1500, "interop-all.md", "-our-esp=kernel").onlyNamed(),
	{
		name: "bench", pkg: "./gre/ebpf", tags: "kernelipsec,kernelbench", seconds: 660, extra: true,
		args: []string{"-test.run", "TestBench", "-bench-json", job.Artefacts + "/bench-kernel.json"},
	},
}

// olderSuites are what `make test-kernel` runs on the oldest kernel that is had, Debian 11's Linux 5.10: what kernels differ in. Packet sockets tell no marks
// there, so that all of it has its inner packets from the packet log.
var olderSuites = []suite{
	{name: "xfrm", pkg: "./nwu/ipsec/kernel/xfrm", tags: "kernelipsec", seconds: 60},
	{
		name: "ipsec", pkg: "./nwu/ipsec/kernel", tags: "kernelipsec", seconds: 240,
		args: []string{"-test.run", "KernelContract/workers=3|PacketLog|CarriesTCP|NeverRepeats"},
	},
	{
		name: "ebpf", pkg: "./gre/ebpf", tags: "kernelipsec", seconds: 120,
		args: []string{"-test.run", "KernelForwards|KernelLeavesToRelay|KernelMoves$|OutlivesTheProcess|EitherClock|Truncated"},
	},
	{
		name: "e2e", pkg: "./test/vm/e2e", tags: "kernelipsec", seconds: 120, with: []string{"./cmd/n3iwf"},
		args: []string{"-test.run", "KernelUserPlanes/(ebpf|relay)$"},
	},
}

// commonTools are in every guest. dash is there because busybox's shell prefers its own ip to iproute2's.
var commonTools = []string{"ip", "tc", "nft", "dash"}

// applets of busybox that scripts and the kernel itself call.
var applets = []string{
	"/sbin/modprobe", "/bin/cat", "/bin/ls", "/bin/mount", "/bin/sleep", "/bin/ping", "/sbin/sysctl", "/bin/dmesg", "/bin/rm", "/bin/kill", "/bin/mkdir",
}

// modules of the guest. What its kernel has built in is passed over. The kernel loads ciphers and protocols by itself, those in loadFirst
// come before the first run: the disk, and what takes long under emulation.
var (
	loadFirst = []string{
		"virtio_pci", "virtio_blk", "virtio_net", "esp4", "esp6", "xfrm_interface", "xfrm_user", "gcm", "ctr", "seqiv", "echainiv", "authenc", "authencesn", "chacha20poly1305",
		"aesni_intel", "ghash_clmulni_intel", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3", "sctp",
		"veth", // two that ask for it at once can both be told that there is none
	}
	modules = []string{
		"xfrm_interface", "xfrm_user", "xfrm_algo", "esp4", "esp6", "ip_gre", "ip6_gre", "veth", "dummy", "tun", "vrf", "af_packet", "af_packet_diag",
		"sctp", "sctp_diag", "udp_tunnel", "ip6_udp_tunnel", "sch_ingress", "sch_netem", "sch_fq", "sch_htb", "sch_tbf", "cls_bpf", "act_bpf", "cls_matchall", "cls_flower", "act_csum",
		"act_police", "act_mirred", "cls_u32", "act_skbedit", "bridge", "macvlan",
		"nf_tables", "nft_chain_nat", "nft_nat", "nft_masq", "nft_ct", "nft_counter", "nft_limit", "nft_objref", "nft_log", "nfnetlink_log", "nft_reject", "nft_reject_inet", "nft_redir", "nft_compat",
		"nf_conntrack", "nf_conntrack_netlink", "nf_defrag_ipv4", "nf_defrag_ipv6", "nf_nat", "nfnetlink", "nf_log_syslog",
		"gcm", "ctr", "cbc", "authenc", "authencesn", "echainiv", "seqiv", "ghash_generic", "ghash_clmulni_intel", "aesni_intel", "aes_generic", "cryptd",
		"crypto_simd", "crypto_null", "hmac", "sha1_generic", "sha256_generic", "sha512_generic", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3", "md5",
		"chacha20poly1305", "chacha_generic", "chacha_x86_64", "poly1305_generic", "poly1305_x86_64", "rng", "drbg", "jitterentropy_rng", "ansi_cprng",
		"crc32c_generic", "crc32c_intel", "libcrc32c", "xcbc", "cmac", "ccm", "deflate", "af_alg", "algif_hash", "algif_aead", "algif_skcipher",
	}
)
