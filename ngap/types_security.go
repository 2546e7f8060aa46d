// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// ConfidentialityProtectionIndication: see TS 38.413 9.4.5.
type ConfidentialityProtectionIndication uint16

const (
	ConfidentialityProtectionIndicationRequired ConfidentialityProtectionIndication = iota
	ConfidentialityProtectionIndicationPreferred
	ConfidentialityProtectionIndicationNotNeeded
)

func (ConfidentialityProtectionIndication) APER() string {
	return "enum(required preferred not-needed ...)"
}
func (v ConfidentialityProtectionIndication) String() string { return aper.EnumString(v) }

// ConfidentialityProtectionResult: see TS 38.413 9.4.5.
type ConfidentialityProtectionResult uint16

const (
	ConfidentialityProtectionResultPerformed ConfidentialityProtectionResult = iota
	ConfidentialityProtectionResultNotPerformed
)

func (ConfidentialityProtectionResult) APER() string     { return "enum(performed not-performed ...)" }
func (v ConfidentialityProtectionResult) String() string { return aper.EnumString(v) }

// EUTRAencryptionAlgorithms: see TS 38.413 9.4.5.
type EUTRAencryptionAlgorithms aper.BitString

func (EUTRAencryptionAlgorithms) APER() string { return "bits(16,...)" }

// EUTRAintegrityProtectionAlgorithms: see TS 38.413 9.4.5.
type EUTRAintegrityProtectionAlgorithms aper.BitString

func (EUTRAintegrityProtectionAlgorithms) APER() string { return "bits(16,...)" }

// IntegrityProtectionIndication: see TS 38.413 9.4.5.
type IntegrityProtectionIndication uint16

const (
	IntegrityProtectionIndicationRequired IntegrityProtectionIndication = iota
	IntegrityProtectionIndicationPreferred
	IntegrityProtectionIndicationNotNeeded
)

func (IntegrityProtectionIndication) APER() string     { return "enum(required preferred not-needed ...)" }
func (v IntegrityProtectionIndication) String() string { return aper.EnumString(v) }

// IntegrityProtectionResult: see TS 38.413 9.4.5.
type IntegrityProtectionResult uint16

const (
	IntegrityProtectionResultPerformed IntegrityProtectionResult = iota
	IntegrityProtectionResultNotPerformed
)

func (IntegrityProtectionResult) APER() string     { return "enum(performed not-performed ...)" }
func (v IntegrityProtectionResult) String() string { return aper.EnumString(v) }

// MaskedIMEISV is the IMEISV in BCD with the last four digits of the serial number set to F.
type MaskedIMEISV uint64

func (MaskedIMEISV) APER() string { return "bits(64)" }

// MaximumIntegrityProtectedDataRate: see TS 38.413 9.4.5.
type MaximumIntegrityProtectedDataRate uint16

const (
	MaximumIntegrityProtectedDataRateBitrate64kbs MaximumIntegrityProtectedDataRate = iota
	MaximumIntegrityProtectedDataRateMaximumUERate
)

func (MaximumIntegrityProtectedDataRate) APER() string {
	return "enum(bitrate64kbs maximum-UE-rate ...)"
}
func (v MaximumIntegrityProtectedDataRate) String() string { return aper.EnumString(v) }

// NRencryptionAlgorithms: see TS 38.413 9.4.5.
type NRencryptionAlgorithms aper.BitString

func (NRencryptionAlgorithms) APER() string { return "bits(16,...)" }

// NRintegrityProtectionAlgorithms: see TS 38.413 9.4.5.
type NRintegrityProtectionAlgorithms aper.BitString

func (NRintegrityProtectionAlgorithms) APER() string { return "bits(16,...)" }

// SecurityIndication: see TS 38.413 9.4.5.
type SecurityIndication struct {
	IntegrityProtectionIndication       IntegrityProtectionIndication
	ConfidentialityProtectionIndication ConfidentialityProtectionIndication
	MaximumIntegrityProtectedDataRateUL *MaximumIntegrityProtectedDataRate `aper:"optional"`
	MaximumIntegrityProtectedDataRateDL *MaximumIntegrityProtectedDataRate `aper:"ext=151,ignore"`
	IEExtensions                        *aper.Unmodelled
}

// SecurityKey is K_N3IWF for an N3IWF (TS 33.501 A.9). It never prints its value.
type SecurityKey [32]byte

func (SecurityKey) APER() string { return "bits(256)" }

// SecurityResult: see TS 38.413 9.4.5.
type SecurityResult struct {
	IntegrityProtectionResult       IntegrityProtectionResult
	ConfidentialityProtectionResult ConfidentialityProtectionResult
	IEExtensions                    *aper.Unmodelled
}

// UESecurityCapabilities: see TS 38.413 9.4.5.
type UESecurityCapabilities struct {
	NRencryptionAlgorithms             NRencryptionAlgorithms
	NRintegrityProtectionAlgorithms    NRintegrityProtectionAlgorithms
	EUTRAencryptionAlgorithms          EUTRAencryptionAlgorithms
	EUTRAintegrityProtectionAlgorithms EUTRAintegrityProtectionAlgorithms
	IEExtensions                       *aper.Unmodelled
}

// ULCPSecurityInformation is UL-CP-SecurityInformation of TS 38.413 9.4.5.
type ULCPSecurityInformation struct {
	UlNASMAC     ULNASMAC
	UlNASCount   ULNASCount
	IEExtensions *aper.Unmodelled
}

// ULNASCount is UL-NAS-Count of TS 38.413 9.4.5.
type ULNASCount uint8

func (ULNASCount) APER() string { return "bits(5)" }

// ULNASMAC is UL-NAS-MAC of TS 38.413 9.4.5.
type ULNASMAC uint16

func (ULNASMAC) APER() string { return "bits(16)" }
