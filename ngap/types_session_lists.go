// SPDX-License-Identifier: Apache-2.0

package ngap

import "github.com/open-n3iwf/n3iwf/ngap/aper"

// PDUSessionResourceFailedToModifyItemModCfm: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToModifyItemModCfm struct {
	PDUSessionID                                           PDUSessionID
	PDUSessionResourceModifyIndicationUnsuccessfulTransfer []byte `aper:"octets"`
	IEExtensions                                           *aper.Unmodelled
}

// PDUSessionResourceFailedToModifyItemModRes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToModifyItemModRes struct {
	PDUSessionID                                 PDUSessionID
	PDUSessionResourceModifyUnsuccessfulTransfer []byte `aper:"octets"`
	IEExtensions                                 *aper.Unmodelled
}

// PDUSessionResourceFailedToModifyListModCfm: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToModifyListModCfm []PDUSessionResourceFailedToModifyItemModCfm

func (PDUSessionResourceFailedToModifyListModCfm) APER() string { return "list(1..256)" }

// PDUSessionResourceFailedToModifyListModRes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToModifyListModRes []PDUSessionResourceFailedToModifyItemModRes

func (PDUSessionResourceFailedToModifyListModRes) APER() string { return "list(1..256)" }

// PDUSessionResourceFailedToSetupItemCxtFail: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupItemCxtFail struct {
	PDUSessionID                                PDUSessionID
	PDUSessionResourceSetupUnsuccessfulTransfer []byte `aper:"octets"`
	IEExtensions                                *aper.Unmodelled
}

// PDUSessionResourceFailedToSetupItemCxtRes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupItemCxtRes struct {
	PDUSessionID                                PDUSessionID
	PDUSessionResourceSetupUnsuccessfulTransfer []byte `aper:"octets"`
	IEExtensions                                *aper.Unmodelled
}

// PDUSessionResourceFailedToSetupItemSURes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupItemSURes struct {
	PDUSessionID                                PDUSessionID
	PDUSessionResourceSetupUnsuccessfulTransfer []byte `aper:"octets"`
	IEExtensions                                *aper.Unmodelled
}

// PDUSessionResourceFailedToSetupListCxtFail: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupListCxtFail []PDUSessionResourceFailedToSetupItemCxtFail

func (PDUSessionResourceFailedToSetupListCxtFail) APER() string { return "list(1..256)" }

// PDUSessionResourceFailedToSetupListCxtRes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupListCxtRes []PDUSessionResourceFailedToSetupItemCxtRes

func (PDUSessionResourceFailedToSetupListCxtRes) APER() string { return "list(1..256)" }

// PDUSessionResourceFailedToSetupListSURes: see TS 38.413 9.4.5.
type PDUSessionResourceFailedToSetupListSURes []PDUSessionResourceFailedToSetupItemSURes

func (PDUSessionResourceFailedToSetupListSURes) APER() string { return "list(1..256)" }

// PDUSessionResourceItemCxtRelCpl: see TS 38.413 9.4.5.
type PDUSessionResourceItemCxtRelCpl struct {
	PDUSessionID                              PDUSessionID
	PDUSessionResourceReleaseResponseTransfer []byte `aper:"ext=145,ignore,octets"`
	IEExtensions                              *aper.Unmodelled
}

// PDUSessionResourceItemCxtRelReq: see TS 38.413 9.4.5.
type PDUSessionResourceItemCxtRelReq struct {
	PDUSessionID PDUSessionID
	IEExtensions *aper.Unmodelled
}

// PDUSessionResourceListCxtRelCpl: see TS 38.413 9.4.5.
type PDUSessionResourceListCxtRelCpl []PDUSessionResourceItemCxtRelCpl

func (PDUSessionResourceListCxtRelCpl) APER() string { return "list(1..256)" }

// PDUSessionResourceListCxtRelReq: see TS 38.413 9.4.5.
type PDUSessionResourceListCxtRelReq []PDUSessionResourceItemCxtRelReq

func (PDUSessionResourceListCxtRelReq) APER() string { return "list(1..256)" }

// PDUSessionResourceModifyItemModCfm: see TS 38.413 9.4.5.
type PDUSessionResourceModifyItemModCfm struct {
	PDUSessionID                            PDUSessionID
	PDUSessionResourceModifyConfirmTransfer []byte `aper:"octets"`
	IEExtensions                            *aper.Unmodelled
}

// PDUSessionResourceModifyItemModInd: see TS 38.413 9.4.5.
type PDUSessionResourceModifyItemModInd struct {
	PDUSessionID                               PDUSessionID
	PDUSessionResourceModifyIndicationTransfer []byte `aper:"octets"`
	IEExtensions                               *aper.Unmodelled
}

// PDUSessionResourceModifyItemModReq: see TS 38.413 9.4.5.
type PDUSessionResourceModifyItemModReq struct {
	PDUSessionID                            PDUSessionID
	NASPDU                                  NASPDU  `aper:"optional"`
	PDUSessionResourceModifyRequestTransfer []byte  `aper:"octets"`
	SNSSAI                                  *SNSSAI `aper:"ext=148,reject"`
	IEExtensions                            *aper.Unmodelled
}

// PDUSessionResourceModifyItemModRes: see TS 38.413 9.4.5.
type PDUSessionResourceModifyItemModRes struct {
	PDUSessionID                             PDUSessionID
	PDUSessionResourceModifyResponseTransfer []byte `aper:"octets"`
	IEExtensions                             *aper.Unmodelled
}

// PDUSessionResourceModifyListModCfm: see TS 38.413 9.4.5.
type PDUSessionResourceModifyListModCfm []PDUSessionResourceModifyItemModCfm

func (PDUSessionResourceModifyListModCfm) APER() string { return "list(1..256)" }

// PDUSessionResourceModifyListModInd: see TS 38.413 9.4.5.
type PDUSessionResourceModifyListModInd []PDUSessionResourceModifyItemModInd

func (PDUSessionResourceModifyListModInd) APER() string { return "list(1..256)" }

// PDUSessionResourceModifyListModReq: see TS 38.413 9.4.5.
type PDUSessionResourceModifyListModReq []PDUSessionResourceModifyItemModReq

func (PDUSessionResourceModifyListModReq) APER() string { return "list(1..256)" }

// PDUSessionResourceModifyListModRes: see TS 38.413 9.4.5.
type PDUSessionResourceModifyListModRes []PDUSessionResourceModifyItemModRes

func (PDUSessionResourceModifyListModRes) APER() string { return "list(1..256)" }

// PDUSessionResourceNotifyItem: see TS 38.413 9.4.5.
type PDUSessionResourceNotifyItem struct {
	PDUSessionID                     PDUSessionID
	PDUSessionResourceNotifyTransfer []byte `aper:"octets"`
	IEExtensions                     *aper.Unmodelled
}

// PDUSessionResourceNotifyList: see TS 38.413 9.4.5.
type PDUSessionResourceNotifyList []PDUSessionResourceNotifyItem

func (PDUSessionResourceNotifyList) APER() string { return "list(1..256)" }

// PDUSessionResourceReleasedItemNot: see TS 38.413 9.4.5.
type PDUSessionResourceReleasedItemNot struct {
	PDUSessionID                             PDUSessionID
	PDUSessionResourceNotifyReleasedTransfer []byte `aper:"octets"`
	IEExtensions                             *aper.Unmodelled
}

// PDUSessionResourceReleasedItemRelRes: see TS 38.413 9.4.5.
type PDUSessionResourceReleasedItemRelRes struct {
	PDUSessionID                              PDUSessionID
	PDUSessionResourceReleaseResponseTransfer []byte `aper:"octets"`
	IEExtensions                              *aper.Unmodelled
}

// PDUSessionResourceReleasedListNot: see TS 38.413 9.4.5.
type PDUSessionResourceReleasedListNot []PDUSessionResourceReleasedItemNot

func (PDUSessionResourceReleasedListNot) APER() string { return "list(1..256)" }

// PDUSessionResourceReleasedListRelRes: see TS 38.413 9.4.5.
type PDUSessionResourceReleasedListRelRes []PDUSessionResourceReleasedItemRelRes

func (PDUSessionResourceReleasedListRelRes) APER() string { return "list(1..256)" }

// PDUSessionResourceSetupItemCxtReq: see TS 38.413 9.4.5.
type PDUSessionResourceSetupItemCxtReq struct {
	PDUSessionID                           PDUSessionID
	NASPDU                                 NASPDU `aper:"optional"`
	SNSSAI                                 SNSSAI
	PDUSessionResourceSetupRequestTransfer []byte `aper:"octets"`
	IEExtensions                           *aper.Unmodelled
}

// PDUSessionResourceSetupItemCxtRes: see TS 38.413 9.4.5.
type PDUSessionResourceSetupItemCxtRes struct {
	PDUSessionID                            PDUSessionID
	PDUSessionResourceSetupResponseTransfer []byte `aper:"octets"`
	IEExtensions                            *aper.Unmodelled
}

// PDUSessionResourceSetupItemSUReq: see TS 38.413 9.4.5.
type PDUSessionResourceSetupItemSUReq struct {
	PDUSessionID                           PDUSessionID
	PDUSessionNASPDU                       NASPDU `aper:"optional"`
	SNSSAI                                 SNSSAI
	PDUSessionResourceSetupRequestTransfer []byte `aper:"octets"`
	IEExtensions                           *aper.Unmodelled
}

// PDUSessionResourceSetupItemSURes: see TS 38.413 9.4.5.
type PDUSessionResourceSetupItemSURes struct {
	PDUSessionID                            PDUSessionID
	PDUSessionResourceSetupResponseTransfer []byte `aper:"octets"`
	IEExtensions                            *aper.Unmodelled
}

// PDUSessionResourceSetupListCxtReq: see TS 38.413 9.4.5.
type PDUSessionResourceSetupListCxtReq []PDUSessionResourceSetupItemCxtReq

func (PDUSessionResourceSetupListCxtReq) APER() string { return "list(1..256)" }

// PDUSessionResourceSetupListCxtRes: see TS 38.413 9.4.5.
type PDUSessionResourceSetupListCxtRes []PDUSessionResourceSetupItemCxtRes

func (PDUSessionResourceSetupListCxtRes) APER() string { return "list(1..256)" }

// PDUSessionResourceSetupListSUReq: see TS 38.413 9.4.5.
type PDUSessionResourceSetupListSUReq []PDUSessionResourceSetupItemSUReq

func (PDUSessionResourceSetupListSUReq) APER() string { return "list(1..256)" }

// PDUSessionResourceSetupListSURes: see TS 38.413 9.4.5.
type PDUSessionResourceSetupListSURes []PDUSessionResourceSetupItemSURes

func (PDUSessionResourceSetupListSURes) APER() string { return "list(1..256)" }

// PDUSessionResourceToReleaseItemRelCmd: see TS 38.413 9.4.5.
type PDUSessionResourceToReleaseItemRelCmd struct {
	PDUSessionID                             PDUSessionID
	PDUSessionResourceReleaseCommandTransfer []byte `aper:"octets"`
	IEExtensions                             *aper.Unmodelled
}

// PDUSessionResourceToReleaseListRelCmd: see TS 38.413 9.4.5.
type PDUSessionResourceToReleaseListRelCmd []PDUSessionResourceToReleaseItemRelCmd

func (PDUSessionResourceToReleaseListRelCmd) APER() string { return "list(1..256)" }
