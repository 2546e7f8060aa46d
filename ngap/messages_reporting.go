// SPDX-License-Identifier: Apache-2.0

package ngap

// LocationReportingControl is the initiating message of procedure 16.
type LocationReportingControl struct {
	AMFUENGAPID                  AMFUENGAPID                  `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                  RANUENGAPID                  `aper:"ie=85,reject,mandatory"`
	LocationReportingRequestType LocationReportingRequestType `aper:"ie=33,ignore,mandatory"`
	MessageIEs
}

// LocationReport is the initiating message of procedure 18.
type LocationReport struct {
	AMFUENGAPID                    AMFUENGAPID                    `aper:"ie=10,reject,mandatory"`
	RANUENGAPID                    RANUENGAPID                    `aper:"ie=85,reject,mandatory"`
	UserLocationInformation        UserLocationInformation        `aper:"ie=121,ignore,mandatory"`
	UEPresenceInAreaOfInterestList UEPresenceInAreaOfInterestList `aper:"ie=116,ignore"`
	LocationReportingRequestType   LocationReportingRequestType   `aper:"ie=33,ignore,mandatory"`
	MessageIEs
}

// LocationReportingFailureIndication is the initiating message of procedure 17.
type LocationReportingFailureIndication struct {
	AMFUENGAPID AMFUENGAPID `aper:"ie=10,reject,mandatory"`
	RANUENGAPID RANUENGAPID `aper:"ie=85,reject,mandatory"`
	Cause       Cause       `aper:"ie=15,ignore,mandatory"`
	MessageIEs
}

// TraceStart is the initiating message of procedure 39.
type TraceStart struct {
	AMFUENGAPID     AMFUENGAPID     `aper:"ie=10,reject,mandatory"`
	RANUENGAPID     RANUENGAPID     `aper:"ie=85,reject,mandatory"`
	TraceActivation TraceActivation `aper:"ie=108,ignore,mandatory"`
	MessageIEs
}

// DeactivateTrace is the initiating message of procedure 3.
type DeactivateTrace struct {
	AMFUENGAPID  AMFUENGAPID  `aper:"ie=10,reject,mandatory"`
	RANUENGAPID  RANUENGAPID  `aper:"ie=85,reject,mandatory"`
	NGRANTraceID NGRANTraceID `aper:"ie=44,ignore,mandatory"`
	MessageIEs
}

// TraceFailureIndication is the initiating message of procedure 38.
type TraceFailureIndication struct {
	AMFUENGAPID  AMFUENGAPID  `aper:"ie=10,reject,mandatory"`
	RANUENGAPID  RANUENGAPID  `aper:"ie=85,reject,mandatory"`
	NGRANTraceID NGRANTraceID `aper:"ie=44,ignore,mandatory"`
	Cause        Cause        `aper:"ie=15,ignore,mandatory"`
	MessageIEs
}

// RANCPRelocationIndication is the initiating message of procedure 57.
type RANCPRelocationIndication struct {
	RANUENGAPID             RANUENGAPID             `aper:"ie=85,reject,mandatory"`
	FiveGSTMSI              FiveGSTMSI              `aper:"ie=26,reject,mandatory"`
	EUTRACGI                EUTRACGI                `aper:"ie=25,ignore,mandatory"`
	TAI                     TAI                     `aper:"ie=213,ignore,mandatory"`
	ULCPSecurityInformation ULCPSecurityInformation `aper:"ie=211,reject,mandatory"`
	MessageIEs
}

// AMFCPRelocationIndication is the initiating message of procedure 64.
type AMFCPRelocationIndication struct {
	AMFUENGAPID  AMFUENGAPID  `aper:"ie=10,reject,mandatory"`
	RANUENGAPID  RANUENGAPID  `aper:"ie=85,reject,mandatory"`
	SNSSAI       *SNSSAI      `aper:"ie=148,ignore"`
	AllowedNSSAI AllowedNSSAI `aper:"ie=0,ignore"`
	MessageIEs
}
