// SPDX-License-Identifier: Apache-2.0

// Package core is the lab's 5G core: AMF and SMF as one real NGAP peer over SCTP, with subscribers in its configuration, and a UPF beside it
// (test/lab/upf). It speaks the standards' NGAP and NAS and nothing else, so that any N3IWF, or gNB with its UE, can be tested with it. One goroutine owns all state;
// calls from outside are tasks for it.
//
// A UE is two things here, as in the standards: a registration, which lasts until the UE deregisters, and while the UE is connected a UE context
// at one N3IWF or gNB, which refers to it.
package core
