//! What a hostile peer can try.
//!
//! - A1 A file whose close blocks for as long as its sender likes blocks only the thread that
//!   closes it. The number of such threads is limited.
//!   `blocking_closes::a_file_in_the_queue_of_a_closed_connection_holds_up_nobody`
//!   `blocking_closes::a_file_with_a_call_holds_up_nobody`
//!   `blocking_closes::a_file_that_the_kernel_closes_for_want_of_room_holds_up_nobody`
//!   `blocking_closes::a_file_beyond_the_limit_holds_up_nobody`
//!   `blocking_closes::files_on_a_file_system_that_answers_no_flush_hold_up_nobody`
//!   `blocking_closes::a_check_of_a_file_does_not_wait_for_a_file_system_that_answers_nothing`
//!   `blocking_closes::a_client_that_stays_sees_the_end_when_a_stop_comes_while_its_file_is_closed`
//!   `blocking_closes::a_stop_that_gives_clients_time_does_not_give_it_to_those_that_are_gone`
//!   `blocking_closes::beyond_so_many_closes_that_block_a_client_that_is_gone_keeps_its_place`
//!   `blocking_closes::connections_beyond_a_users_quota_do_not_keep_others_out_while_their_closes_block`
//!   `blocking_closes::a_call_and_its_client_end_while_more_closes_block_than_have_a_thread`
//!   `blocking_closes::serving_on_ones_own_thread_ends_although_a_file_is_in_the_queue`
//!   `blocking_closes::refusing_a_connection_with_a_file_in_its_queue_takes_no_time`
//!   `blocking_closes::dropping_a_listener_does_not_wait_for_files_in_its_backlog`
//!   `blocking_closes::a_call_does_not_wait_for_files_of_its_reply_that_nobody_takes`
//!   `blocking_closes::a_call_does_not_wait_for_files_of_an_earlier_reply_in_the_same_value`
//!   `blocking_closes::ending_a_client_does_not_wait_for_files_in_its_queue`
//!   `blocking_closes::a_signal_ends_the_command_at_once_while_a_close_blocks`
//!   `command::a_close_that_blocks_holds_up_no_other_client_and_no_signal`
//!   `blocking_closes::a_call_of_the_command_ends_although_its_reply_carries_such_a_file`
//!   `soak::nothing_is_lost_and_nothing_is_left_behind`
//! - A2 A file on white space begins the time of a message, and counts among its files (also
//!   fuzzed).
//!   `places::a_peer_that_sent_its_own_end_on_white_space_and_died_loses_its_place`
//!   `places::the_time_of_a_message_runs_from_its_first_file_and_not_from_white_space`
//!   `places::files_beyond_the_limit_on_white_space_refuse_the_message_after_it`
//!   `soak::nothing_is_lost_and_nothing_is_left_behind`
//! - A3 Memory whose size a peer decides is limited, and freed.
//!   `wire::a_message_over_the_limit_is_answered_with_the_limit_and_ends_the_connection`
//!   `receiver::the_buffer_grows_to_one_byte_beyond_the_limit_and_no_further`
//!   `retention::the_memory_of_large_messages_is_freed_if_none_follows_at_once`
//!   `retention::the_memory_of_a_single_large_message_does_not_stay`
//!   Each allocation of a call fails in turn, on either side:
//!   `failures::a_small_call`
//!   `failures::a_large_call`
//!   `failures::many_small_members`
//!   `failures::a_call_with_files`
//!   `failures::a_large_reply`
//!   `failures::a_value_as_argument`
//!   `failures::a_value_as_result`
//!   What a message decodes to, and what all clients hold together:
//!   `budgets::decoding_takes_no_more_than_its_budget`
//!   `budgets::what_is_made_of_other_types_takes_no_more_than_its_budget`
//!   `budgets::a_call_beyond_the_budget_is_refused_and_the_next_one_answered`
//!   `budgets::a_client_refuses_a_result_beyond_the_budget_and_goes_on`
//!   `budgets::a_message_that_was_refused_for_the_total_leaves_its_connection_in_step`
//!   `budgets::decoding_takes_as_many_bytes_for_one_as_the_readme_says`
//!   A server in a process with little memory:
//!   `limited::a_string_that_there_is_no_memory_for_gets_an_error_for_a_reply`
//!   `limited::floods_of_large_messages_and_many_clients_do_not_end_it`
//!   `limited::unfinished_messages_of_many_clients_hold_no_more_than_the_total`
//!   `limited::what_large_calls_took_goes_back_to_the_kernel_when_their_clients_are_gone`
//!   `soak::nothing_is_lost_and_nothing_is_left_behind`
//! - A4 One user cannot take the places of others.
//!   `places::one_user_cannot_take_the_places_of_others`
//!   `places::a_users_place_is_free_again_when_a_client_has_gone`
//! - A5 Of servers that race for a path, one is reachable, and no live socket is removed.
//!   `binding::of_servers_that_race_to_replace_a_stale_socket_one_succeeds_and_is_reachable`
//!   `binding::a_server_that_leaves_takes_no_other_one_with_it`
//!   `bound_path::a_server_that_was_taken_for_dead_before_it_listened_fails_and_removes_nothing`
//!   `bound_path::nothing_is_removed_and_nobody_has_bound_while_another_holds_the_lock`
//!   `bound_path::a_link_in_place_of_the_lock_is_not_followed`
//!   `bound_path::nobody_else_may_open_the_lock`
//!   `socket::a_socket_that_one_may_not_connect_to_is_not_replaced_and_the_error_says_why`
//!   `soak::nothing_is_lost_and_nothing_is_left_behind`
//! - A6 A process that took a sandbox's abstract name is not accepted.
//!   `sandbox::whoever_else_has_a_sandboxs_name_is_told_apart_before_a_byte_is_sent`
//!   `sandbox::on_an_abstract_name_the_sandboxs_process_and_the_states_owner_are_believed`
//! - A7 The output, the programs and the files that the command handles for a peer are limited.
//!   `terminal::what_a_terminal_obeys_or_hides_is_an_escape_in_each_style`
//!   `command::what_a_command_says_cannot_reach_a_terminal_that_would_obey_it`
//!   `command::a_long_message_is_shortened_unless_it_is_wanted_in_full`
//!   `command::a_command_that_printed_too_much_is_not_waited_for`
//!   `command::nobody_else_may_enter_the_directory_for_a_commands_files`
//! - A8 Smaller attacks.
//!   A directory or link that others replace while a socket is bound:
//!   `socket::the_socket_is_never_seen_with_another_mode`
//!   `socket::nothing_that_is_made_on_the_way_to_a_socket_is_open_to_others`
//!   A listener that another holder makes blocking, or shuts down:
//!   `socket::a_listener_that_another_holder_makes_blocking_does_not_block_for_long`
//!   `socket::a_listener_that_somebody_shut_down_gives_what_waits_and_then_says_so`
//!   `descriptors::an_accept_loop_whose_listener_somebody_shut_down_ends_with_the_error`
//!   Credentials that the kernel did not fill in:
//!   `sys::an_option_that_the_kernel_does_not_fill_is_an_error`
//!   An observer that gets what a peer sent:
//!   `observe::a_message_that_ends_the_connection_is_reported_with_no_more_than_a_piece_of_it`
//!   A descriptor number that somebody else owns:
//!   `socket::a_number_that_something_else_in_the_process_opened_is_not_taken`
//!   A security label that is too long, user 65534 of a user namespace, and a method that calls its
//!   own server are described in the docs: `Socket`, `Credentials`, `Limits::clients`.
