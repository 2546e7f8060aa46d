// SPDX-License-Identifier: Apache-2.0

// Package systemd tests the units of this folder with systemd itself: what it makes of them, how exposed they are, and an N3IWF that a
// systemd of its own starts with them and a UE registers at.
package systemd
