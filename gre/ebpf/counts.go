// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

// sum adds up the counts of all processors.
func sum(per []userplaneCounts) (total userplaneCounts) {
	for i := range per {
		total.Packets += per[i].Packets
		total.Octets += per[i].Octets
		total.Last = max(total.Last, per[i].Last)
		for r, n := range per[i].Drops {
			total.Drops[r] += n
		}
	}
	return total
}
