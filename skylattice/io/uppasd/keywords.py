"""Keywords of UppASD's ``inpsd.dat``, up to version 6.1, for spotting those that it would ignore without a word."""

from __future__ import annotations

from difflib import get_close_matches

_TEXT = """
    simid aunits set_landeg mensemble ncell cell bc natoms ntypes positions moments posfile posfiletype alat scalefac
    do_ralloy block_size momfile initmag restartfile mseed theta0 phi0 mavg0 roteul rotang initpropvec initrotvec
    initrotang initexc initconc initneigh initimp do_fixed_mom do_mom_legacy
    exchange exchangedlm jij_scale jscaling ea_model ea_sigma ea_algo exc_inter maptype map_multiple sym do_sortcoup
    do_jtensor do_tensor calc_jtensor do_anisotropy anisotropy mult_axis random_anisotropy random_anisotropy_density
    dm dm_scale rdm_model rdm_sigma rdm_algo sa sa_scale pd chir fourx bq ring biqdm
    do_dip print_dip_tensor qdip_files read_dipole prn_dip_subset dip_file do_macro_cells do_ewald ewald_alpha
    rmax_ewald kmax_ewald
    ziggurat rngpol tseed para_rng use_vsl temperature gradient temp do_3tm do_site_ip_damping ip_damping ip_damping2
    do_site_damping damping damping2 ip_dampfile mp_dampfile
    ip_mode mode ip_temp ip_hfield hfield nstep timestep relaxtime sdealgh ipsdealgh real_time_measure perp ip_nphase
    compensate_drift llg mcnstep ip_mcnstep ip_mcanneal
    momfile_i momfile_f spring initpath amp_rnd amp_rnd_path min_algo min_itrmax mintraj_step min_ftol mep_itrmax
    meptraj_step mep_ftol mep_ftol_ci do_gneb do_gneb_ci do_norm_rx vpo_dt vpo_mass sample_num en_zero do_hess_ini
    do_hess_fin do_hess_sp is_afm eig_zero relaxed_if fixed_if prn_gneb_fields
    do_currents current_step current_buff quantization_axis do_spintemp spintemp_step evolveout heisout plotenergy
    do_sparse do_reduced do_prnstruct do_storeham do_prn_poscar do_prn_elk do_read_elk do_hoc_debug do_meminfo do_sfc
    do_pol do_loc_pol do_chiral pol_step pol_buff max_pol_nn logsamp
    do_thermfield thermfield_step thermfield_buff do_prn_beff beff_step beff_buff do_prn_torques torques_step
    torques_buff do_prn_binteff binteff_step binteff_buff do_larmor_loc do_larmor_dos larm_step larm_buff larm_dos_size
    skyno skyno_step skyno_buff do_proj_skyno do_skyno_den do_skyno_cmass
    do_qhb qhb_mode tcurie do_qhb_mix qhb_mix_mode gpu_mode gpu_rng gpu_rng_seed do_cuda_avrg do_cuda_cumu
    do_lsf lsf_interpolate lsf_field lsf_window lsf_metric conf_num gsconf_num lsffile
    ind_mom_flag ind_mom_type ind_tol do_prn_induced ind_buff ind_step renorm_coll
    locfield siteatomfield do_bpulse set_bpulse bpulsefile demag demag1 demag2 demag3 demagvol
    do_kmc kmc_method do_efield efield rate0 barrfile do_prn_kmc kmc_buff kmc_step time_efield kmc_posfile
    eta_max eta_min do_stiffness do_dm_stiffness prn_j0_matrix read_ovf prn_ovf mcavrg_step mcavrg_buff mompar
    multiscale prn_multiscale metatype metanumb
    do_avrg do_proj_avrg do_projch_avrg avrg_step avrg_buff do_cumu do_cumu_proj cumu_step cumu_buff
    do_autocorr acfile ac_step ac_buff do_tottraj tottraj_step tottraj_buff ntraj
    do_sc do_sr do_sc_proj do_sc_projch do_sc_projc do_sc_local_axis sc_local_axis_mix sc_mode sc_step sc_nstep sc_sep
    sc_navrg sc_naverages sc_average sc_emax sc_eres sc_window_fun do_qt_traj do_conv sigma_q sigma_w lorentz_q
    lorentz_w qpoints qfile do_connected do_sc_dosonly do_sc_complex do_sc_list do_sc_tens do_sc_bimag
    do_ams do_magdos magdosfile magdos_freq magdos_sigma magdos_lfreq magdos_hfreq magdos_rasamples do_diamag
    stt jvec jdens jsite jscale jvecfile adibeta do_she spin_pol she_angle she_n_vec thick_ferro do_sot
"""

#: Every keyword, in lower case as UppASD compares them.
KEYWORDS = frozenset(_TEXT.split())
_LONGEST = max(map(len, KEYWORDS))


def nearest_keyword(word: str) -> str | None:
    """The keyword that was probably meant by ``word``, or None.

    Examples
    --------
    >>> nearest_keyword("ipfield")
    'ip_hfield'
    """
    if len(word) > 2 * _LONGEST:  # too far from any of them, and comparing takes time
        return None
    return next(iter(get_close_matches(word, sorted(KEYWORDS), n=1)), None)
