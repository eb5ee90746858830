"""Folders of surveys: the science image is published, its maps are omitted by name.

Data F04 (legacypipe#573, #581, #764, and names of files of 13 surveys).
"""

import pytest

from soda_service.ingest.siblings import without_maps

FOLDERS = {
    "Legacy brick": (
        ["legacysurvey-0001p000-image-g.fits.fz", "legacysurvey-0001p000-image-r.fits.fz"],
        [
            "legacysurvey-0001p000-blobmodel-g.fits.fz",
            "legacysurvey-0001p000-chi2-g.fits.fz",
            "legacysurvey-0001p000-depth-g.fits.fz",
            "legacysurvey-0001p000-invvar-g.fits.fz",
            "legacysurvey-0001p000-invvar-r.fits.fz",
            "legacysurvey-0001p000-maskbits.fits.fz",
            "legacysurvey-0001p000-nexp-g.fits.fz",
        ],
    ),
    "DECam Community Pipeline": (
        ["c4d_140818_002044_ooi_r_v1.fits.fz"],
        ["c4d_140818_002044_ood_r_v1.fits.fz", "c4d_140818_002044_oow_r_v1.fits.fz"],
    ),
    "HLA": (
        ["hst_10092_01_acs_wfc_f814w_drc_sci.fits"],
        ["hst_10092_01_acs_wfc_f814w_drc_ctx.fits", "hst_10092_01_acs_wfc_f814w_drc_wht.fits"],
    ),
    "AllWISE": (
        ["0000m016_ac51-w1-int-3.fits"],
        ["0000m016_ac51-w1-cov-3.fits.gz", "0000m016_ac51-w1-unc-3.fits.gz"],
    ),
    "Pan-STARRS": (
        ["rings.v3.skycell.1234.022.stk.g.unconv.fits"],
        [
            "rings.v3.skycell.1234.022.stk.g.unconv.exp.fits",
            "rings.v3.skycell.1234.022.stk.g.unconv.mask.fits",
            "rings.v3.skycell.1234.022.stk.g.unconv.wt.fits",
        ],
    ),
    "KiDS": (
        ["KiDS_DR4.0_0.0_-28.2_r_sci.fits"],
        ["KiDS_DR4.0_0.0_-28.2_r_msk.fits", "KiDS_DR4.0_0.0_-28.2_r_wei.fits"],
    ),
    "Euclid": (
        ["EUC_MER_BGSUB-MOSAIC-VIS_TILE101-AAA.fits"],
        [
            "EUC_MER_BGMOD-VIS_TILE101-BBB.fits",
            "EUC_MER_MOSAIC-VIS-FLAG_TILE101-CCC.fits",
            "EUC_MER_MOSAIC-VIS-RMS_TILE101-DDD.fits",
            "EUC_MER_GRID-PSF-VIS_TILE101-EEE.fits",
        ],
    ),
    "ZTF": (
        ["ztf_000245_zg_c01_q1_refimg.fits"],
        ["ztf_000245_zg_c01_q1_refcov.fits", "ztf_000245_zg_c01_q1_refunc.fits"],
    ),
    "VLASS": (
        ["VLASS1.1.ql.T01t01.I.iter1.image.pbcor.tt0.subim.fits"],
        ["VLASS1.1.ql.T01t01.I.iter1.image.pbcor.tt0.rms.subim.fits"],
    ),
    "GALEX": (
        ["AIS_1_fd-int.fits.gz"],
        ["AIS_1_fd-cnt.fits.gz", "AIS_1_fd-intbgsub.fits.gz", "AIS_1_fd-rrhr.fits.gz"],
    ),
    "Spitzer": (["S.000_maic.fits"], ["S.000_mcov.fits", "S.000_munc.fits"]),
    "SWarp": (["coadd_r.fits"], ["coadd_r.weight.fits", "coadd_r_segm.fits"]),
    "in folders": (["g/a.fits", "r/a.fits"], ["g/a.wht.fits", "r/a_mask.fits"]),
    "only words that may be names": (["field_n_r.fits", "field_s_r.fits", "std_r.fits"], []),
    "one product alone": (["m31_drz_r.fits", "m31_image_g.fits"], []),
    "a map alone": ([], ["a_weight_r.fits"]),
}


@pytest.mark.parametrize(("images", "maps"), FOLDERS.values(), ids=FOLDERS)
def test_the_image_is_the_image(images: list[str], maps: list[str]) -> None:
    warnings: list[str] = []
    assert without_maps(sorted([*images, *maps]), warnings) == sorted(images)
    assert sorted(line.partition(" is omitted: ")[0] for line in warnings) == sorted(maps)


def test_a_map_is_told_with_its_image() -> None:
    warnings: list[str] = []
    without_maps(["x-image-r.fits", "x-invvar-r.fits", "y_mask_r.fits"], warnings)
    assert warnings == [
        (
            "x-invvar-r.fits is omitted: 'invvar' is a weight map of x-image-r.fits; maps in files"
            " of their own are not used"
        ),
        "y_mask_r.fits is omitted: 'mask' is a mask, and there is no image beside it",
    ]
