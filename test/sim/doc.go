// SPDX-License-Identifier: Apache-2.0

// Command sim runs many UEs and gateways, all of them real ikev2 sessions over real ESP, through a simulated network
// that loses, delays, reorders, doubles and corrupts packets, with NATs that forget and rebind, with UEs that move,
// lose coverage and restart, with gateways that crash, and with an attacker on the path. Everything happens in virtual
// time and follows from one seed.
//
// A watcher that shares no code with what it watches looks at every packet and every event: message IDs, windows, IVs,
// keys, sequence numbers, replays, unproven paths, timers. After the storm the network is left in peace, and then both
// ends of everything must agree.
//
//	go run ./test/sim -seeds 2000          seeds 1 to 2000
//	go run ./test/sim -seed 17 -v          one seed with its whole timeline
//	go run ./test/sim -seed 17 -ops 3,9    one seed with a part of its schedule (a failure is shrunk to this)
//	go run ./test/sim -break replay        with a deliberate defect, which must be found
//
// The status is 1 when an invariant was violated.
package main
