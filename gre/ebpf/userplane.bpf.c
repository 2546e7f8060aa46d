// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//go:build ignore

// The user plane of NWu and N3 inside the kernel: GRE with the QFI in its key, as it comes out of ESP on the xfrm interface, becomes
// GTP-U with a PDU Session Container, and the other way round (TS 24.502 9.3.3, TS 29.281, TS 38.415 5.5). Both programs are classifiers
// at the ingress of tc. What they are not sure of they leave as it is: it goes on to the sockets of user space. The maps are written by
// user space only, but for the counters and the token buckets. Nothing here knows an outer address of a UE.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define IP_LEN 20
#define UDP_LEN 8
#define GRE_LEN 8
#define CARRIER_LEN (IP_LEN + GRE_LEN)
#define GPDU_LEN 16 // GTP-U header with a container that has no optional fields
#define TUNNEL_LEN (IP_LEN + UDP_LEN + GPDU_LEN)
#define GTPU_PORT 2152
#define TTL 64
#define AF_INET 2
#define GRE_KEY_ONLY 0x20 // first octet; the second one is zero
#define MAX_EXTENSIONS 4
#define MARK_GENERATION 0xfu // of a child SA's mark: which of its SAs a packet came through

// Why a packet was left to user space.
enum up {
	UP_OTHER,     // not of a child SA or tunnel known here
	UP_FORM,      // IP options, lengths that contradict each other, another protocol
	UP_FRAGMENT,  // a fragment
	UP_GSO,       // several packets in one buffer
	UP_OVERSIZE,  // does not fit the N3 link, or is more than the child SA may carry at once
	UP_MESSAGE,   // GTP-U other than a G-PDU
	UP_EXTENSION, // extension headers beyond what is understood here
	UP_HELD,      // the session asks for it
	UP_COUNT,
};

// Why a packet was dropped.
enum drop {
	DROP_SOURCE,      // the inner source is not the UE's address
	DROP_DESTINATION, // the inner destination is not the user-plane address
	DROP_FLAGS,       // GRE flags
	DROP_QFI,         // not a QoS flow of the session
	DROP_EMPTY,       // no PDU
	DROP_RATE,        // beyond UE-AMBR or MFBR
	DROP_FAILED,      // a helper refused
	DROP_COUNT,
};

// child is a child SA, by its mark without generation.
struct child {
	__be32 ue, up;        // inner addresses
	__be32 upf, n3;       // outer addresses on N3
	__be32 uplink_teid;
	__u32 link;           // N3 link, where the route to the UPF goes
	__be32 next_hop;      // there; 0 leaves it to the kernel's routes
	__u32 uplink_max;     // octets of a PDU that fits that link
	__u32 downlink_max;   // octets of a PDU that the child SA may carry at once
	__be16 port;          // of the UPF
	__u8 dscp;            // downlink, of the carrier
	__u8 held;            // downlink packets go to user space, which counts what an unproven path may get
	__u32 teid;           // downlink, of its session
	__u32 pad;
	__u64 flows;          // bit for each QFI of the session
	__u32 bucket[64];     // uplink, for each QFI: the number of its token bucket, 0 for no limit
	__u8 n3_dscp[64];     // uplink, for each QFI
};

// session is a PDU session, by its downlink TEID.
struct session {
	__be32 n3;            // our address
	__u32 pad;
	__u64 reflective;     // bit for each QFI whose RQI is passed on
	__u32 mark[64];       // of the child SA for each QFI; 0 has none
	__u32 bucket[64];     // downlink, for each QFI
	__u8 only;            // QFI of packets without container, or more than 63
	__u8 held;            // downlink packets go to user space
	__u16 type;           // protocol type of GRE: TYPE_BY_VERSION, or the value
	__u32 pad2;
};

#define TYPE_BY_VERSION 1

struct counts {
	__u64 packets, octets; // forwarded, and the octets of their PDUs
	__u64 last;            // when the last one was, CLOCK_MONOTONIC in nanoseconds
	__u32 last_mark;       // uplink: its mark, which tells the SA that it came through
	__u32 pad;
	__u64 drops[DROP_COUNT];
};

// flow is a QoS flow of a session with several. The counts of a session with one are those of the flow.
struct flow {
	__u32 teid; // downlink, of the session
	__u8 qfi, direction;
	__u16 pad;
};

struct flow_counts {
	__u64 packets, octets;
};

// bucket is a maximum bit rate that flows share, as the time when the traffic so far would have left at exactly that rate (the generic cell
// rate algorithm of ITU-T I.371 annex A). User space has the same for the packets that it handles.
struct bucket {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 picos; // an octet takes
	__u64 ahead; // nanoseconds that traffic may be ahead of the rate
	__u64 due;   // CLOCK_MONOTONIC in nanoseconds
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct child);
} children SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct session);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct counts);
} uplink_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct counts);
} downlink_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow);
	__type(value, struct flow_counts);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 18);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

// totals are the counts of all sessions since the maps were made: [0] uplink, [1] downlink.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct counts);
} totals SEC(".maps");

// handed_up counts what was left to user space: [0] uplink, [UP_COUNT] downlink.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * UP_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} handed_up SEC(".maps");

// The xfrm interface.
const volatile __u32 xfrm_link = 0;

// The kernel has a clock (from 5.11 on) that is read from memory and as exact as its tick. The exact one may be a device that takes longer to read than
// all else that is done here.
const volatile bool coarse_clock = false;

static __always_inline __u64 now_ns(void) { return coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns(); }

static __always_inline int up(__u32 which) {
	__u64 *n = bpf_map_lookup_elem(&handed_up, &which);
	if (n)
		*n += 1;
	return TC_ACT_UNSPEC;
}

#define UPLINK 0
#define DOWNLINK 1

static __always_inline int drop(struct counts *c, __u32 direction, __u32 which) {
	struct counts *all = bpf_map_lookup_elem(&totals, &direction);
	if (all)
		all->drops[which] += 1;
	if (c)
		c->drops[which] += 1;
	return TC_ACT_SHOT;
}

static __always_inline void forwarded(const struct child *child, __u32 qfi, struct counts *c, __u32 direction, __u32 octets, __u32 mark) {
	if (child->flows & (child->flows - 1)) {
		struct flow key = {.teid = child->teid, .qfi = qfi, .direction = direction};
		struct flow_counts *f = bpf_map_lookup_elem(&flows, &key);
		if (f) {
			f->packets += 1;
			f->octets += octets;
		}
	}
	struct counts *all = bpf_map_lookup_elem(&totals, &direction);
	if (all) {
		all->packets += 1;
		all->octets += octets;
	}
	if (c) {
		c->packets += 1;
		c->octets += octets;
		c->last = now_ns();
		c->last_mark = mark;
	}
}

// exceeds takes n octets from a bucket and tells whether they were not there.
static __always_inline bool exceeds(__u32 bucket, __u32 n) {
	struct bucket *b = bucket ? bpf_map_lookup_elem(&buckets, &bucket) : NULL;
	if (!b)
		return false;
	__u64 now = now_ns();
	__u64 cost = b->picos * n / 1000;
	bool over = false;
	bpf_spin_lock(&b->lock);
	__u64 next = (b->due > now ? b->due : now) + cost;
	if (next - now > b->ahead)
		over = true;
	else
		b->due = next;
	bpf_spin_unlock(&b->lock);
	return over;
}

struct ip4 {
	__u8 version_ihl, tos;
	__be16 total, id, fragment;
	__u8 ttl, protocol;
	__be16 check;
	__be32 source, destination;
};

_Static_assert(sizeof(struct ip4) == IP_LEN, "no gaps");

struct carrier {
	struct ip4 ip;
	__u8 flags, flags2;
	__be16 type;
	__u8 key[4];
};

struct tunnel {
	struct ip4 ip;
	__be16 source, destination, length, check;
	__u8 flags, message;
	__be16 gtp_length;
	__be32 teid;
	__u8 sequence[2], pdu_number, next, units, container, qfi, last;
};

// ip4_header fills in what is not there yet: everything but tos, protocol and addresses.
static __always_inline void ip4_header(struct ip4 *ip, __u32 total, __u16 id) {
	ip->version_ihl = 0x45;
	ip->total = bpf_htons(total);
	ip->id = id;
	ip->fragment = 0;
	ip->ttl = TTL;
	ip->check = 0;
	__u32 sum = 0;
	const __u16 *word = (const __u16 *)ip;
#pragma unroll
	for (int i = 0; i < IP_LEN / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	ip->check = ~sum;
}

_Static_assert(sizeof(struct carrier) == CARRIER_LEN && sizeof(struct tunnel) == TUNNEL_LEN, "no gaps");

static __always_inline bool same_header(const struct ip4 *a, const struct ip4 *b) {
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	__u32 differ = 0;
#pragma unroll
	for (int i = 0; i < IP_LEN / 4; i++)
		differ |= x[i] ^ y[i];
	return differ == 0;
}

// index63 keeps the verifier convinced that a QFI is below 64: the compiler would leave out a test that it thinks was made before.
static __always_inline __u32 index63(__u32 qfi) {
	asm volatile("%0 &= 63" : "+r"(qfi));
	return qfi;
}

#define IP_FRAGMENT bpf_htons(0x3fff) // more fragments, or an offset

SEC("tc/uplink")
int n3iwf_uplink(struct __sk_buff *skb) {
	__u32 came = skb->mark, mark = came & ~MARK_GENERATION;
	struct child *c = mark ? bpf_map_lookup_elem(&children, &mark) : NULL;
	if (!c)
		return up(UP_OTHER);
	// Only this much of the inner packet is sure to lie in one piece with what comes before it; the rest can be in pages, where it came in a batch.
	struct ip4 ip;
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes_relative(skb, 0, &ip, sizeof(ip), BPF_HDR_START_NET))
		return up(UP_FORM);
	if (ip.version_ihl != 0x45 || ip.protocol != IPPROTO_GRE)
		return up(UP_FORM);
	if (ip.fragment & IP_FRAGMENT)
		return up(UP_FRAGMENT);
	if (skb->gso_size)
		return up(UP_GSO);
	__u32 total = bpf_ntohs(ip.total);
	// An Ethernet header of the outer packet may still be in front, although the device has none.
	__u32 front = skb->len - total;
	if (total < CARRIER_LEN || (front != 0 && front != ETH_HLEN))
		return up(UP_FORM);
	// A packet that is shorter than it says could make one look like the other.
	struct carrier in;
	if (bpf_skb_load_bytes(skb, front, &in, sizeof(in)) || !same_header(&in.ip, &ip))
		return up(UP_FORM);
	struct counts *counts = bpf_map_lookup_elem(&uplink_counts, &mark);
	if (in.ip.source != c->ue)
		return drop(counts, UPLINK, DROP_SOURCE);
	if (in.ip.destination != c->up)
		return drop(counts, UPLINK, DROP_DESTINATION);
	if (in.flags != GRE_KEY_ONLY || in.flags2 != 0)
		return drop(counts, UPLINK, DROP_FLAGS);
	__u32 qfi = index63(in.key[0]);
	if (!(c->flows >> qfi & 1))
		return drop(counts, UPLINK, DROP_QFI);
	__u32 pdu = total - CARRIER_LEN;
	if (pdu == 0)
		return drop(counts, UPLINK, DROP_EMPTY);
	if (pdu > c->uplink_max)
		return up(UP_OVERSIZE);
	if (exceeds(c->bucket[qfi], pdu))
		return drop(counts, UPLINK, DROP_RATE);

	struct tunnel out = {
		.ip.tos = c->n3_dscp[qfi] << 2, .ip.protocol = IPPROTO_UDP, .ip.source = c->n3, .ip.destination = c->upf,
		.source = bpf_htons(GTPU_PORT), .destination = c->port, .length = bpf_htons(UDP_LEN + GPDU_LEN + pdu),
		.flags = 0x34, .message = 255, .gtp_length = bpf_htons(GPDU_LEN - 8 + pdu), .teid = c->uplink_teid,
		.next = 0x85, .units = 1, .container = 0x10, .qfi = qfi,
	};
	ip4_header(&out.ip, TUNNEL_LEN + pdu, bpf_get_prandom_u32());
	__u32 link = c->link;
	// User space has looked at the routes, so that it need not be done for each packet.
	struct bpf_redir_neigh next = {.nh_family = AF_INET, .ipv4_nh = c->next_hop};
	if (bpf_skb_adjust_room(skb, TUNNEL_LEN - CARRIER_LEN, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return drop(counts, UPLINK, DROP_FAILED);
	if (bpf_skb_store_bytes(skb, front, &out, sizeof(out), 0))
		return drop(counts, UPLINK, DROP_FAILED);
	skb->mark = 0; // it means nothing to the host's routing
	forwarded(c, qfi, counts, UPLINK, pdu, came);
	return next.ipv4_nh ? bpf_redirect_neigh(link, &next, sizeof(next), 0) : bpf_redirect_neigh(link, NULL, 0, 0);
}

struct gtp {
	__u8 flags, message;
	__be16 length;
	__be32 teid;
};

struct n3_packet {
	struct ip4 ip;
	__be16 source, destination, length, check;
	struct gtp gtp;
};

#define GTP_EXTENSION 0x04
#define GTP_OPTIONAL 0x07 // any of extension, sequence number, N-PDU number
#define PDU_SESSION_CONTAINER 0x85
#define DOWN(reason) up(UP_COUNT + (reason))

// n3_window is all that decides about a packet of the usual form, read at once: rest is the optional part of GTP-U, a container of four octets and the
// first octet of the PDU. Of a shorter packet no more of it is there than the first octet behind the header; the others are zero.
struct n3_window {
	struct n3_packet in;
	__u8 rest[GPDU_LEN - 8 + 1];
};

// Not the struct, which is longer: a frame of 60 octets has this.
#define WINDOW_LEN (sizeof(struct n3_packet) + GPDU_LEN - 8 + 1)

_Static_assert(ETH_HLEN + WINDOW_LEN < 60, "the shortest frame of Ethernet");

static __always_inline bool load_window(struct __sk_buff *skb, struct n3_window *w) {
	if (skb->protocol != bpf_htons(ETH_P_IP))
		return false;
	// The helper sets all to zero when it cannot read all.
	return !bpf_skb_load_bytes(skb, ETH_HLEN, w, WINDOW_LEN) || !bpf_skb_load_bytes(skb, ETH_HLEN, w, sizeof(w->in) + 1) ||
	       !bpf_skb_load_bytes(skb, ETH_HLEN, w, sizeof(w->in)) || !bpf_skb_load_bytes(skb, ETH_HLEN, w, IP_LEN + UDP_LEN);
}

// user_packet is what stands before a PDU.
struct user_packet {
	__u32 header; // octets of GTP-U
	__u8 qfi, rqi, version;
};

// extensions walks through extension headers of any number and form. It gives why they are left to user space, or -1.
static __always_inline int extensions(struct __sk_buff *skb, const struct gtp *gtp, __u32 length, struct user_packet *p) {
	__u8 next = 0, contained = 0;
	p->header = 12;
	if (gtp->flags & GTP_EXTENSION && bpf_skb_load_bytes(skb, ETH_HLEN + IP_LEN + UDP_LEN + 11, &next, 1))
		return UP_FORM;
#pragma unroll
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 ext[4], units;
		if (next == 0)
			break;
		if (bpf_skb_load_bytes(skb, ETH_HLEN + IP_LEN + UDP_LEN + p->header, ext, sizeof(ext)))
			return UP_FORM;
		units = ext[0];
		if (units == 0)
			return UP_FORM;
		if (next == PDU_SESSION_CONTAINER) {
			// Downlink, the first one. Its optional fields are passed over by length.
			if (ext[1] >> 4 != 0 || contained)
				return UP_EXTENSION;
			contained = 1;
			p->qfi = ext[2] & 63;
			p->rqi = ext[2] & 0x40;
		} else if (next & 0x80) { // to be understood by who is the end of the tunnel
			return UP_EXTENSION;
		}
		p->header += units * 4;
		if (p->header > 8 + length || bpf_skb_load_bytes(skb, ETH_HLEN + IP_LEN + UDP_LEN + p->header - 1, &next, 1))
			return UP_FORM;
	}
	if (next != 0)
		return UP_EXTENSION;
	return bpf_skb_load_bytes(skb, ETH_HLEN + IP_LEN + UDP_LEN + p->header, &p->version, 1) ? UP_FORM : -1;
}

static __always_inline int downlink(struct __sk_buff *skb, const struct n3_window *w) {
	const struct n3_packet *in = &w->in;
	if (in->ip.protocol != IPPROTO_UDP || in->ip.version_ihl != 0x45)
		return TC_ACT_UNSPEC;
	if (in->ip.fragment & IP_FRAGMENT)
		return DOWN(UP_FRAGMENT);
	if (in->destination != bpf_htons(GTPU_PORT))
		return TC_ACT_UNSPEC;
	__u32 total = bpf_ntohs(in->ip.total), length = bpf_ntohs(in->gtp.length);
	if ((in->gtp.flags & 0xf0) != 0x30 || total != IP_LEN + bpf_ntohs(in->length) || total != IP_LEN + UDP_LEN + 8 + length ||
	    skb->len < ETH_HLEN + total)
		return DOWN(UP_FORM);
	if (in->gtp.message != 255)
		return DOWN(UP_MESSAGE);
	__u32 teid = bpf_ntohl(in->gtp.teid);
	struct session *s = bpf_map_lookup_elem(&sessions, &teid);
	if (!s || s->n3 != in->ip.destination)
		return DOWN(UP_OTHER);
	if (s->held)
		return DOWN(UP_HELD);
	if (skb->gso_size)
		return DOWN(UP_GSO);

	struct user_packet p = {.header = 8, .qfi = s->only, .version = w->rest[0]};
	if ((in->gtp.flags & GTP_OPTIONAL) == GTP_EXTENSION && w->rest[3] == PDU_SESSION_CONTAINER && w->rest[4] == 1 && w->rest[5] >> 4 == 0 &&
	    w->rest[7] == 0) {
		p.header = GPDU_LEN;
		p.qfi = w->rest[6] & 63;
		p.rqi = w->rest[6] & 0x40;
		p.version = w->rest[8];
	} else if (in->gtp.flags & GTP_OPTIONAL) {
		int reason = extensions(skb, &in->gtp, length, &p);
		if (reason >= 0)
			return DOWN(reason);
	}
	if (p.qfi > 63)
		return DOWN(UP_EXTENSION); // several flows and no container
	__u32 flow = index63(p.qfi);
	if (p.header >= 8 + length)
		return DOWN(UP_FORM); // no PDU
	__u32 pdu = 8 + length - p.header;
	__u32 mark = s->mark[flow];
	struct child *c = mark ? bpf_map_lookup_elem(&children, &mark) : NULL;
	if (!c)
		return DOWN(UP_OTHER);
	if (c->held)
		return DOWN(UP_HELD);
	if (pdu > c->downlink_max)
		return DOWN(UP_OVERSIZE);
	struct counts *counts = bpf_map_lookup_elem(&downlink_counts, &teid);
	if (exceeds(s->bucket[flow], pdu))
		return drop(counts, DOWNLINK, DROP_RATE);

	struct carrier out = {
		.ip.tos = c->dscp << 2, .ip.protocol = IPPROTO_GRE, .ip.source = c->up, .ip.destination = c->ue,
		.flags = GRE_KEY_ONLY, .type = bpf_htons(s->type), .key = {p.qfi, 0, 0, 0},
	};
	if (p.rqi && s->reflective >> flow & 1)
		out.key[3] = 0x80;
	if (s->type == TYPE_BY_VERSION)
		out.type = p.version >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	ip4_header(&out.ip, CARRIER_LEN + pdu, bpf_get_prandom_u32());
	// Padding of a short frame would be encrypted with the packet.
	if (skb->len > ETH_HLEN + total && bpf_skb_change_tail(skb, ETH_HLEN + total, 0))
		return drop(counts, DOWNLINK, DROP_FAILED);
	if (bpf_skb_adjust_room(skb, -(__s32)p.header, BPF_ADJ_ROOM_MAC, 0))
		return drop(counts, DOWNLINK, DROP_FAILED);
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &out, sizeof(out), 0))
		return drop(counts, DOWNLINK, DROP_FAILED);
	skb->mark = mark;
	forwarded(c, flow, counts, DOWNLINK, pdu, mark);
	return bpf_redirect(xfrm_link, 0);
}

SEC("tc/downlink")
int n3iwf_downlink(struct __sk_buff *skb) {
	struct n3_window w;
	return load_window(skb, &w) ? downlink(skb, &w) : TC_ACT_UNSPEC;
}

// A local UPF may leave the UDP checksum to a device that never comes: veth and virtio pass such packets on. Their headers must not be
// replaced before the checksum is there, and tc's csum action puts it there, between n3iwf_guard and n3iwf_repaired. It would spoil fragments and what
// GSO has joined, and such packets belong to user space anyway. It takes long, and packets that have no checksum do not need it: they go at once.
SEC("tc/guard")
int n3iwf_guard(struct __sk_buff *skb) {
	struct n3_window w;
	if (!load_window(skb, &w) || w.in.ip.protocol != IPPROTO_UDP)
		return TC_ACT_UNSPEC;
	if (w.in.ip.fragment & IP_FRAGMENT) {
		DOWN(UP_FRAGMENT);
		return TC_ACT_OK;
	}
	if (w.in.ip.version_ihl != 0x45 || w.in.destination != bpf_htons(GTPU_PORT))
		return TC_ACT_UNSPEC;
	if (skb->gso_size) {
		DOWN(UP_GSO);
		return TC_ACT_OK;
	}
	// The csum action takes the checksum from a packet whose lengths contradict each other.
	if (!w.in.check || bpf_ntohs(w.in.ip.total) != IP_LEN + bpf_ntohs(w.in.length))
		return downlink(skb, &w);
	return TC_ACT_UNSPEC;
}

SEC("tc/repaired")
int n3iwf_repaired(struct __sk_buff *skb) {
	struct n3_window w;
	if (!load_window(skb, &w) || !w.in.check)
		return TC_ACT_UNSPEC;
	return downlink(skb, &w);
}

char LICENSE[] SEC("license") = "GPL";
