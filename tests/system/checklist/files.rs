//! What can go wrong with files that are sent with messages, and with the connections that carry
//! them.
//!
//! A letter says where: limits (L), the libc shim and the control bytes (U), sending (S), receiving
//! (R), ownership (O), adopting sockets (A), time (T), the server (V), addresses and peers (P),
//! testing (Q). If only the reader of the docs can prevent it, the row names the item with the
//! docs.
//!
//! - L1 More files than a limit are refused when sent and when received. The two limits are
//!   separate, and never above the kernel's 253.
//!   `client::too_many_files_are_refused_before_anything_is_sent_with_the_limit_in_the_text`
//!   `client::a_limit_beyond_the_kernels_own_is_the_kernels_own`
//!   `wire::a_configured_limit_of_files_holds_in_both_directions`
//!   `descriptors::one_file_over_the_limit_is_refused_and_the_call_after_it_served`
//!   `descriptors::the_kernels_own_limit_can_be_set_and_kept_both_ways`
//! - L2 The bytes of a message, its depth, the clients and the held files are limited.
//!   `wire::a_message_over_the_limit_is_answered_with_the_limit_and_ends_the_connection`
//!   `client::a_reply_over_the_limit_finishes_it_with_the_limit_in_the_text`
//!   `wire::ten_thousand_levels_are_read_and_not_one_more`
//!   `server::beyond_the_cap_a_socket_is_refused_and_its_place_frees_up`
//!   `receiver::nothing_is_read_while_a_complete_message_is_buffered`
//!   `receiver::files_held_are_at_most_those_of_two_reads`
//! - L3 Silence, a message and the taking of a reply have time limits, the last two by default.
//!   `descriptors::a_server_has_limits_of_time_unless_they_are_lifted_and_a_client_none`
//!   `descriptors::the_shortest_limit_of_silence_is_one_and_no_error`
//!   `wire::a_client_that_is_silent_for_too_long_is_closed`
//!   `wire::white_space_does_not_keep_a_silent_client_connected`
//!   `wire::a_message_that_takes_too_long_ends_the_connection_without_a_reply`
//!   `stop::a_peer_that_never_takes_its_reply_delays_it_to_the_limit_on_sends`
//!   `client::a_client_has_the_limits_of_a_message_and_of_its_taking_too_if_it_asks_for_them`
//!   `observe::which_time_limit_a_client_reached_is_reported_with_its_value`
//!
//! - U1 Only what is used is declared. The compiler checks its layout (`src/sys/abi.rs`).
//!   `syscalls::client_and_server_make_no_call_that_the_readme_does_not_list`
//! - U2 One layout fits glibc and musl, 32 and 64 bit: all tests run there, see `.ci/steps/arches`
//!   and `.ci/steps/musl`.
//! - U3 musl copies control data and takes no more than 1056 bytes.
//!   `control::the_most_files_fit_into_what_musl_copies_and_more_are_left_out`
//! - U4 The header says the length, the buffer has the space; without files there is neither.
//!   `control::packing_says_the_length_of_the_data_and_takes_the_space_of_its_padding`
//!   `control::nothing_is_packed_for_no_files_or_where_they_do_not_fit`
//!   `descriptors::every_number_of_files_arrives_in_order_and_no_other_with_it`
//!   `syscalls::each_send_raises_no_signal_and_each_receive_makes_its_files_close_on_exec`
//! - U5 Control buffers are aligned for a header.
//!   `control::the_buffers_begin_where_a_header_may`
//! - U6 The walk over control data takes any bytes (fuzzed as well, and run under Miri).
//!   `control::no_bytes_can_make_the_walk_panic_or_invent_a_descriptor`
//!   `control::a_header_that_is_cut_or_too_short_ends_the_walk`
//!   `control::a_length_beyond_the_end_is_taken_for_what_is_there`
//!   `control::the_next_message_is_found_after_the_padding_of_the_last`
//!   `control::the_last_message_needs_no_padding`
//!   `control::a_tail_that_is_no_whole_number_is_ignored`
//!   `control::negative_numbers_are_skipped`
//! - U7 Where a receive failed nothing is parsed.
//!   `sys::nothing_is_parsed_where_a_receive_failed`
//! - U8 What was received is owned before anything is checked, so no refusal leaks.
//!   `wire::files_over_the_limit_are_refused_with_the_text_of_go_closed_and_the_connection_goes_on`
//!   `faults::as_many_files_as_a_send_carries_are_refused_each_time_and_closed`
//!   `adopted_sockets::credentials_and_pidfds_that_were_not_requested_disturb_no_file_and_are_closed`
//! - U9 Sends raise no signal, received files are close-on-exec, and std writes to no socket.
//!   `syscalls::each_send_raises_no_signal_and_each_receive_makes_its_files_close_on_exec`
//!   `socket::writing_to_a_peer_that_is_gone_raises_no_signal`
//! - U10 What a signal interrupts is done again, within its limit of time.
//!   `sender::a_wait_that_is_interrupted_or_finds_nothing_is_made_again_for_the_remaining_time`
//!   `receiver::an_interrupted_receive_is_made_again_once_there_is_something_to_read`
//!   `faults::a_server_whose_calls_are_all_interrupted_in_turn_answers_all_the_same`
//!   `faults::a_client_whose_calls_are_all_interrupted_in_turn_calls_all_the_same`
//!   `faults::a_signal_that_never_ends_does_not_stretch_the_limit_on_a_send`
//!   `faults::a_server_that_is_stopped_and_goes_on_loses_no_client_and_no_call`
//!
//! - S1 A message is encoded completely before its first byte is sent.
//!   `client::an_argument_that_json_cannot_carry_is_refused_before_anything_is_sent`
//!   `client::a_panic_in_an_argument_or_a_result_leaves_it_usable`
//! - S2 Too many files are an error before any system call, and the caller keeps them.
//!   `client::too_many_files_are_refused_before_anything_is_sent_with_the_limit_in_the_text`
//!   `descriptors::the_kernels_own_limit_can_be_set_and_kept_both_ways`
//! - S3 All files go with the first byte, and never without a byte.
//!   `sender::files_go_once_with_the_first_byte_however_short_the_sends_are`
//!   `descriptors::files_are_not_sent_without_a_byte`
//!   `sys::without_bytes_the_kernel_silently_drops_files`
//! - S4 A short send took all files, a failed send took none.
//!   `sender::a_send_that_was_interrupted_or_found_no_room_took_no_files`
//!   `descriptors::a_large_argument_through_a_small_buffer_carries_its_file_at_its_first_byte_once`
//!   `wire::a_large_reply_arrives_whole_with_its_files_at_its_first_byte`
//! - S5 Nothing is sent before or after a message.
//!   `wire::a_reply_has_its_members_in_order_and_nothing_around_it`
//!   `wire::a_call_has_its_members_in_order_and_nothing_around_it`
//! - S6 A send that takes nothing is an error.
//!   `sender::a_send_that_takes_nothing_is_an_error_and_no_loop`
//! - S7 A failure in the middle of a message ends the connection.
//!   `sender::a_failure_after_the_first_byte_shuts_the_connection_down_and_says_so`
//!   `client::a_call_that_is_not_taken_in_time_finishes_it`
//! - S8 The kernel's errors about files and about peers are distinguished.
//!   `sender::errors_about_files_have_their_own_text_and_end_no_connection`
//!   `sys::a_number_that_is_not_open_is_refused_by_the_kernel_and_nothing_is_sent`
//!   `descriptors::too_many_files_in_flight_are_named_in_the_error_and_can_be_sent_again_later`
//!   `descriptors::a_receiver_that_takes_no_files_is_named_in_the_error_and_the_client_goes_on`
//!   `descriptors::a_server_that_takes_no_files_refuses_them_before_it_accepts`
//!   `faults::a_send_with_files_that_fails_says_why_and_leaves_the_client_usable`
//!   `client::a_server_that_is_gone_finishes_it`
//! - S9 A borrowed file is never closed.
//!   `client::the_callers_files_stay_open_and_the_callers`
//!
//! - R1 A read may hold the end of one message, complete messages, and the beginning of one with
//!   files.
//!   `descriptors::of_four_calls_sent_at_once_each_gets_its_own_files`
//!   `wire::pipelined_calls_get_the_right_files`
//! - R2 The files of a read belong to the last message that has a byte in it.
//!   `receiver::files_belong_to_the_last_message_that_has_a_byte_in_their_read`
//!   `receiver::files_on_a_read_of_white_space_alone_are_the_next_messages`
//!   `descriptors::a_read_that_ends_one_message_and_begins_another_gives_its_files_to_the_second`
//!   `descriptors::files_on_white_space_before_a_message_are_its_files`
//! - R3 Files of several reads add up, and no cut makes a difference.
//!   `receiver::files_of_several_reads_add_up_to_the_limit_and_beyond_it_all_are_closed`
//!   `receiver::the_outcome_does_not_depend_on_how_the_kernel_cut_the_reads`
//!   `receiver::wherever_sends_and_reads_are_cut_files_go_to_the_message_they_came_with`
//!   `descriptors::files_on_a_byte_that_is_not_the_first_are_the_messages_all_the_same`
//!   `descriptors::files_that_add_up_to_more_than_the_limit_are_refused`
//!   `wire::files_that_come_in_the_middle_of_a_call_are_its_files`
//! - R4 Each read has room for files, and none is made while a complete message waits.
//!   `receiver::nothing_is_read_while_a_complete_message_is_buffered`
//!   `wire::files_that_come_in_the_middle_of_a_call_are_its_files`
//! - R5 There is no receive into an empty buffer.
//!   `sys::a_receive_into_no_room_is_refused_and_loses_no_file`
//! - R6 There is room for other control messages that the kernel adds.
//!   `control::there_is_room_for_one_file_more_and_for_all_that_options_of_the_socket_add`
//!   `sys::what_options_of_the_socket_add_pushes_no_file_out_and_is_closed`
//! - R7 All control messages are read. A pidfd is closed, others are skipped.
//!   `control::all_messages_are_walked_and_those_of_other_types_skipped`
//!   `sys::files_of_several_control_messages_arrive_in_order_and_an_empty_one_is_none`
//!   `receiver::the_error_of_too_many_files_has_their_number_the_limit_and_its_name`
//!   `client::a_reply_with_too_many_files_is_refused_closed_and_leaves_it_usable`
//! - R8 If files are missing, the received ones are closed and only that message is refused.
//!   `receiver::truncated_control_data_closes_what_came_and_refuses_that_message_alone`
//!   `descriptors::where_descriptors_run_out_a_call_is_refused_with_the_reason_and_the_connection_goes_on`
//!   `descriptors::where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable`
//!   `faults::where_no_descriptors_are_left_files_are_refused_with_the_reason_and_closed`
//! - R9 The end is clean between messages and unexpected within one.
//!   `receiver::the_end_of_the_stream_is_clean_between_messages_and_unexpected_within_one`
//!   `server::handle_says_why_the_client_is_gone`
//!   `wire::half_a_call_and_the_end_gets_no_reply`
//! - R10 Data that came before a reset is used before the reset is reported.
//!   `descriptors::what_a_peer_queued_before_it_closed_with_data_unread_is_served_before_the_reset`
//!   `descriptors::a_reply_that_was_queued_before_a_reset_is_the_result`
//! - R11 Malformed JSON ends the connection, and files for it or after it are closed.
//!   `receiver::malformed_json_ends_the_stream_and_the_files_after_it_are_closed`
//!   `descriptors::files_after_malformed_json_are_closed`
//!   `wire::files_of_messages_that_end_the_connection_are_closed`
//! - R12 A message is complete at its closing brace.
//!   `wire::a_reply_comes_at_the_closing_brace`
//!
//! - O1 Whatever drops a message closes its files; a method keeps what it takes out.
//!   `wire::files_that_nobody_takes_are_closed_and_the_connection_goes_on`
//!   `server::a_panicking_method_is_answered_without_the_panics_text_and_its_files_are_closed`
//!   `stop::a_call_that_was_queued_when_its_client_was_closed_is_dropped`
//!   `server::a_released_file_outlives_its_call_and_what_stays_behind_does_not`
//! - O2 Files without a member for them are closed.
//!   `client::files_go_to_a_result_that_carries_them_and_are_closed_otherwise`
//!   `wire::files_that_nobody_takes_are_closed_and_the_connection_goes_on`
//! - O3 A call that fails closes its files.
//!   `client::a_call_whose_reply_is_late_finishes_it_and_closes_what_came`
//!   `client::a_result_that_does_not_fit_is_an_error_of_that_call_alone_and_its_files_are_closed`
//! - O4 A received file is shared with its sender: `Files::release`. Its kind, access, flags and seals
//!   can be checked.
//!   `files::each_check_accepts_the_files_that_it_names_and_tells_what_else_came`
//!   `files::a_check_without_flags_names_the_flag_that_is_set`
//!   `calls::a_wrong_file_is_a_named_error_is_closed_and_the_client_goes_on`
//! - O5 Every descriptor is close-on-exec from birth.
//!   `socket::every_descriptor_is_close_on_exec_and_a_child_inherits_none`
//!   `socket::files_of_calls_are_close_on_exec_in_methods_and_results`
//! - O6 Clients have numbers of their own. An end is a shutdown first, then a close.
//!   `observe::clients_are_numbered_in_order_and_those_refused_are_reported_without_a_number`
//!   `socket::shutting_a_socket_down_wakes_whoever_is_blocked_on_it`
//!   `client::closing_ends_a_blocked_call_and_those_that_wait_for_their_turn`
//!   `client::dropping_it_ends_the_connection_even_if_the_descriptor_lives_on`
//!   `descriptors::whatever_ends_a_connection_ends_it_although_a_copy_of_its_socket_is_open`
//!
//! - A1 An adopted socket is checked and made close-on-exec, and works whatever options were set on
//!   it.
//!   `socket::only_a_connected_unix_stream_is_adopted_as_a_socket`
//!   `socket::a_non_blocking_socket_works_on_either_side`
//!   `adopted_sockets::adopting_a_socket_makes_it_close_on_exec`
//!   `adopted_sockets::credentials_and_pidfds_that_were_not_requested_disturb_no_file_and_are_closed`
//! - A2 A receiver may refuse all files.
//!   `descriptors::a_receiver_that_takes_no_files_is_named_in_the_error_and_the_client_goes_on`
//! - A3 Inherited numbers are checked, duplicated, not passed on, and taken once
//!   (`Address::Inherited`).
//!   `socket::descriptors_that_a_parent_passed_are_served_and_called_by_their_number`
//!   `descriptors::sockets_of_a_service_manager_are_duplicated_and_their_numbers_not_passed_on`
//!   `process::sockets_of_a_service_manager_are_taken_only_if_they_are_meant_for_us`
//!   `process::a_number_that_is_not_open_is_refused_with_its_number`
//!   `socket::a_number_that_something_else_in_the_process_opened_is_not_taken`
//!   `command::a_command_sees_nothing_of_what_a_service_manager_said_to_the_server`
//! - A4 A process with one thread places a program's files, and then becomes the program.
//!   `command::a_program_gets_the_files_the_result_and_nothing_else`
//!   `command::a_program_that_cannot_be_run_is_status_2`
//!   `command::a_command_gets_the_files_and_no_other_descriptor`
//!   `process::files_are_not_placed_while_there_is_another_thread_and_the_parent_gets_the_error`
//!   `process::a_helper_that_ends_before_it_is_the_program_has_not_started_it`
//!
//! - T1 A limit is one deadline. When it has passed there is no system call. Times are rounded up.
//!   `sender::a_limit_of_which_nothing_is_left_makes_no_system_call`
//!   `receiver::a_deadline_in_the_past_makes_no_system_call`
//!   `sys::short_waits_are_rounded_up_to_a_tick_and_long_ones_do_not_wrap`
//!   `descriptors::a_limit_of_time_beyond_the_clock_is_none`
//! - T2 A peer that sends or reads a byte at a time gains no time.
//!   `sender::the_limit_is_on_the_whole_message_and_not_on_each_send`
//!   `receiver::the_limit_is_on_the_whole_message_and_not_on_each_read`
//!   `receiver::busy_polling_keeps_the_message_time`
//!   `receiver::white_space_does_not_restart_the_idle_time`
//!   `faults::a_peer_that_trickles_is_answered_and_holds_up_nobody`
//! - T3 A call's limit covers its wait for the turn, its sending and its receiving
//!   (`Limits::call_time`).
//!   `client::a_call_that_does_not_get_its_turn_in_time_sends_nothing_and_leaves_it_usable`
//!   `client::a_call_that_is_not_taken_in_time_finishes_it`
//!   `client::a_call_whose_reply_does_not_begin_in_time_finishes_it`
//! - T4 A failure or panic in the middle of an exchange finishes a client, and later calls report
//!   it.
//!   `client::what_is_no_reply_finishes_it_and_later_calls_say_so_at_once`
//!   `client::a_panic_before_the_reply_is_whole_finishes_it`
//!   `client::a_remote_error_leaves_it_usable_and_success_alone_decides`
//! - T5 One call at a time.
//!   `client::calls_of_several_threads_take_turns_and_each_gets_its_own_reply`
//!   `client::the_turn_goes_to_whoever_came_first`
//!
//! - V1 Transient failures of accept do not end the loop, a permanent one does, and a stop wakes
//!   it.
//!   `server::the_accept_loop_outlives_a_want_of_descriptors_and_goes_on`
//!   `faults::an_accept_loop_that_lacks_something_for_a_while_says_so_once_and_goes_on`
//!   `faults::an_accept_loop_goes_on_after_a_lost_connection_and_ends_with_an_error_that_stays`
//!   `descriptors::an_accept_loop_whose_listener_somebody_shut_down_ends_with_the_error`
//!   `faults::an_accept_loop_that_cannot_wait_for_want_of_memory_goes_on`
//!   `socket::an_inherited_listener_is_shared_and_a_stop_does_not_end_it`
//! - V2 At the limit of clients nobody is accepted. A thread that cannot be started costs one
//!   client.
//!   `server::at_the_cap_connections_wait_in_the_queue_until_a_client_has_gone`
//!   `server::several_accept_loops_at_the_cap_refuse_nobody`
//!   `server::a_thread_that_cannot_be_made_costs_one_connection`
//! - V3 Depth does not use up a client thread's stack.
//!   `descriptors::values_of_all_the_levels_there_may_be_fit_on_a_client_threads_stack`
//!   `json::a_value_of_every_level_needs_no_stack`
//!   `json::skipping_every_level_needs_no_stack`
//! - V4 A panic of a method or callback is caught, and no lock is held while they run.
//!   `server::a_panicking_method_is_answered_without_the_panics_text_and_its_files_are_closed`
//!   `server::panics_in_callbacks_are_caught_like_a_methods`
//!   `stop::an_observer_can_stop_the_server_at_every_event`
//!   `stop::a_stop_callback_can_stop_the_server_and_register_services`
//! - V5 Only a running method delays a stop.
//!   `stop::idle_clients_are_closed_by_the_time_it_returns`
//!   `stop::half_a_message_does_not_delay_it`
//!   `stop::a_peer_that_never_takes_its_reply_delays_it_to_the_limit_on_sends`
//!   `stop::a_method_that_panics_is_answered_and_delays_nothing`
//!   `stop::a_call_that_was_queued_when_its_client_was_closed_is_dropped`
//!   `server::a_thread_that_cannot_be_made_costs_one_connection`
//!   `interleavings::every_order_of_two_clients_and_a_stop_agrees_with_the_model`
//! - V6 A stop works from anywhere, twice, and before anything was served.
//!   `stop::two_threads_can_stop_it_at_once_and_both_wait`
//!   `stop::without_clients_it_returns_at_once_whatever_its_timeout`
//!   `stop::a_method_that_stops_the_server_is_answered_and_its_client_then_closed`
//!   `stop::two_methods_that_stop_the_server_at_once_do_not_wait_for_each_other`
//!   `stop::an_after_call_callback_can_stop_the_server`
//!   `stop::a_check_can_stop_the_server`
//!   `stop::dropping_the_last_handle_closes_the_idle_lets_calls_end_and_waits_for_nobody`
//! - V7 Errors and events show at most a short escaped piece of what a peer sent.
//!   `observe::a_message_that_ends_the_connection_is_reported_with_no_more_than_a_piece_of_it`
//!   `observe::of_a_method_that_there_is_not_no_more_is_shown_than_a_piece_of_its_name`
//!   `json::errors_hold_no_more_than_a_short_escaped_prefix`
//! - V8 A client that only ended its sending direction still gets its reply.
//!   `server::a_method_learns_who_calls_and_whether_anybody_still_waits`
//!   `wire::a_half_closed_client_gets_its_reply_and_then_the_end`
//!
//! - P1 A socket never exists with a wider mode than requested or under another name, and no
//!   existing path is replaced by binding.
//!   `socket::the_mode_is_what_was_asked_for_whatever_the_umask`
//!   `socket::the_socket_is_never_seen_with_another_mode`
//!   `socket::what_is_no_socket_is_never_replaced`
//!   `binding::a_socket_is_bound_in_plain_sticky_and_setgid_directories`
//!   `binding::a_socket_is_bound_and_reached_on_fuse`
//!   `binding::a_socket_is_bound_under_landlock`
//!   `binding::a_socket_is_bound_without_proc_as_long_as_its_path_and_mode_need_none`
//! - P2 Only a stale socket is replaced, and only on request. Only our own socket is removed.
//!   `socket::a_stale_socket_is_replaced_only_on_request_and_a_live_one_never`
//!   `socket::a_server_whose_queue_is_full_is_no_dead_one_and_not_waited_for`
//!   `socket::a_socket_of_another_kind_is_not_taken_for_a_dead_one`
//!   `socket::a_path_is_removed_on_drop_only_if_it_is_still_ours`
//!   `binding::of_servers_that_race_to_replace_a_stale_socket_one_succeeds_and_is_reachable`
//!   `binding::a_server_that_leaves_takes_no_other_one_with_it`
//!   `bound_path::a_server_that_was_taken_for_dead_before_it_listened_fails_and_removes_nothing`
//!   `bound_path::nothing_is_removed_and_nobody_has_bound_while_another_holds_the_lock`
//! - P3 Abstract names have no permissions: `Address::Abstract`. A sandbox's peer is checked.
//!   `sandbox::whoever_else_has_a_sandboxs_name_is_told_apart_before_a_byte_is_sent`
//! - P4 Decide by user and group. The process id is only informative: `Credentials`.
//!   `server::a_client_that_the_check_refuses_is_closed_without_a_reply`
//!
//! - Q1 A probe detects a leak, not a count: `Probe` in `tests/support/mod.rs`.
//! - Q2 A file is identified by device and inode: `identity` there.
//! - Q3 Descriptors run out in a process of its own: see R8 and V1.
//! - Q4 The smallest send buffer causes short sends: see S4.
//! - Q5 Scripts of raw sends: `assert_script` in `tests/system/descriptors`, odd control data in
//!   `src/sys/tests.rs`.
//! - Q6 A fake for system calls and the clock: `src/connection/tests/fake_transport.rs`, with its
//!   tests in the same directory; what the real kernel does is in `tests/system/descriptors` and
//!   `tests/faults`.
//! - Q7 Signals and what a child inherits: see U9 and O5.
//! - Q8 Stop while something delays it: see V5 and V6.
