// SPDX-License-Identifier: Apache-2.0

package config

// N3IWF is the identity of this network function (TS 38.413 9.2.6.1, NG SETUP REQUEST).
type N3IWF struct {
	// GlobalN3IWFID identifies this N3IWF worldwide (TS 38.413 9.3.1.57).
	GlobalN3IWFID GlobalN3IWFID `yaml:"globalN3IWFID" because:"to AMFs an N3IWF with another one is another node (TS 38.413 8.7.1)"`
	// Name is the RAN node name told to the AMF, for people: 1..150 characters of ASN.1 PrintableString.
	Name string `yaml:"name" reload:"now"`
	// SupportedTAs are the tracking areas that this N3IWF serves, 1..256 entries. Default: one with globalN3IWFID.plmn, if that is given.
	// AMFs that are connected are told of a change.
	SupportedTAs []SupportedTA `yaml:"supportedTAs" reload:"now"`
}

// GlobalN3IWFID is the Global N3IWF ID (TS 38.413 9.3.1.57).
type GlobalN3IWFID struct {
	// PLMN is the PLMN part. Default: the first PLMN of the first supported tracking area.
	PLMN PLMN `yaml:"plmn"`
	// ID is the N3IWF identifier inside the PLMN, 16 bits.
	ID uint16 `yaml:"id"`
}

// PLMN is a public land mobile network, as text so that leading zeros count: MNC "01" is not MNC "001".
type PLMN struct {
	// MCC is the mobile country code: 3 digits.
	MCC string `yaml:"mcc"`
	// MNC is the mobile network code: 2 or 3 digits.
	MNC string `yaml:"mnc"`
}

// String returns the PLMN as "MCC-MNC", the way people write it.
func (p PLMN) String() string { return p.MCC + "-" + p.MNC }

// SupportedTA is one tracking area and the PLMNs that are served in it (TS 38.413 9.2.6.1, Supported TA List).
type SupportedTA struct {
	// TAC is the tracking area code: 24 bits as 6 hexadecimal digits. Default: 000001.
	TAC TAC `yaml:"tac"`
	// PLMNs are the PLMNs served in this area with their slices, 1..12 entries. Required.
	PLMNs []ServedPLMN `yaml:"plmns"`
}

// ServedPLMN is a PLMN with the slices that it offers in a tracking area.
type ServedPLMN struct {
	// PLMN is the network. Required.
	PLMN PLMN `yaml:"plmn"`
	// NID makes it a stand-alone non-public network (SNPN) of that PLMN (TS 23.003 12.7): 11 hexadecimal digits in quotes. Only UEs that select it, and
	// AMFs that support it, match. Empty: the PLMN itself.
	NID NID `yaml:"nid"`
	// Slices are the S-NSSAIs offered, 1..1024 entries. Default: one slice with SST 1 (eMBB) and no SD.
	Slices []SNSSAI `yaml:"slices"`
}

// SNSSAI is a network slice identifier (TS 23.003 28.4.2).
type SNSSAI struct {
	// SST is the slice/service type, 0..255 (1 eMBB, 2 URLLC, 3 MIoT).
	SST uint8 `yaml:"sst"`
	// SD is the slice differentiator, 24 bits as 6 hexadecimal digits. Empty: none.
	SD SD `yaml:"sd"`
}
