// SPDX-License-Identifier: Apache-2.0

// Package xfrm speaks to the IPsec engine of the Linux kernel over its netlink family (NETLINK_XFRM, linux/xfrm.h), as far as an ESP tunnel
// gateway with moving peers needs it: states with extended sequence numbers and large replay windows, UDP encapsulation, marks, interface ids,
// policies, and the kernel's reports about expiry, changed NAT mappings and missing states.
//
// Values and their encodings come first: State, Policy, Mapping, Expire, Acquire each have an encoder or a total decoder and do no I/O. Conn
// and Listener carry them. Only ESP in tunnel mode is known here.
package xfrm
