// SPDX-License-Identifier: Apache-2.0

// Package free5gc turns the configuration file of free5GC's N3IWF into ours. That file has had two spellings of its keys
// (N3IWFInformation and n3iwfInformation) and writes codes as bare numbers (mnc: 01, sd: 010203) that a YAML reader must
// not take for numbers, so keys are matched without regard to case and scalars are read as they were written. What has no
// counterpart here is not dropped silently: every such key comes back as a [Note].
package free5gc
