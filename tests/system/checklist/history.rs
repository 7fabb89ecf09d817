//! What happened to others: advisories and reports about programs that pass files, read JSON or
//! serve Unix sockets, by their public names. Each row says whether it could happen here, and names
//! the tests that would fail if it did.
//!
//! Files that are sent and received:
//!
//! - H1 A user could have other services disconnected from D-Bus: the kernel refuses to forward a
//!   socket that lies too deep in others in flight (CVE-2014-3532). Here the error says so,
//!   nothing was sent, and the connection goes on. The same error comes from the limit that the
//!   kernel got because files in flight counted for nobody (CVE-2013-4312).
//!   `descriptors::too_many_files_in_flight_are_named_in_the_error_and_can_be_sent_again_later`
//! - H2 D-Bus forwarded a number that was no open file, and the receiver was disconnected
//!   (CVE-2014-3533). Here a call borrows open files. The kernel's error costs that call alone.
//!   `sys::a_number_that_is_not_open_is_refused_by_the_kernel_and_nothing_is_sent`
//!   `faults::a_send_with_files_that_fails_says_why_and_leaves_the_client_usable`
//! - H3 One file above an odd limit fitted into the padding of D-Bus's control data, and was
//!   written behind an array (CVE-2014-3635). Here one more is expected, and no array has a fixed
//!   length.
//!   `control::there_is_room_for_one_file_more_and_for_all_that_options_of_the_socket_add`
//!   `descriptors::one_file_over_the_limit_is_refused_and_the_call_after_it_served`
//! - H4 Files in a queue of D-Bus kept others from connecting, and those of several messages added
//!   up to more than one send may carry (CVE-2014-3636). Here nothing is read ahead of a message.
//!   `receiver::files_held_are_at_most_those_of_two_reads`
//!   `descriptors::files_that_add_up_to_more_than_the_limit_are_refused`
//! - H5 A D-Bus connection whose own descriptor was sent over it lived on without its process
//!   (CVE-2014-3637). It happened here too, on white space. A file begins the time of a message.
//!   `places::a_peer_that_sent_its_own_end_on_white_space_and_died_loses_its_place`
//! - H6 Very many calls that waited for a reply took D-Bus's CPU, as each was searched for among
//!   all (CVE-2014-3638). Here a connection has one call at a time, and `urpc trace` remembers a
//!   limited number.
//!   `client::calls_of_several_threads_take_turns_and_each_gets_its_own_reply`
//!   `calls::replies_belong_to_calls_in_their_order_also_beyond_those_remembered`
//! - H7 Connections that never got past their beginning kept others out of D-Bus (CVE-2014-3639).
//!   Here a message that began has a time limit, and a user can have a limit of clients.
//!   `wire::a_message_that_takes_too_long_ends_the_connection_without_a_reply`
//!   `places::one_user_cannot_take_the_places_of_others`
//! - H8 D-Bus did not close the files of a message that had too many of them (CVE-2020-12049).
//!   `wire::files_over_the_limit_are_refused_with_the_text_of_go_closed_and_the_connection_goes_on`
//!   `faults::as_many_files_as_a_send_carries_are_refused_each_time_and_closed`
//! - H9 Files in an unexpected form made programs with libdbus crash (CVE-2022-42012). Here the
//!   JSON does not say where files belong, and control data of any form is read.
//!   `control::no_bytes_can_make_the_walk_panic_or_invent_a_descriptor`
//!   `sys::files_of_several_control_messages_arrive_in_order_and_an_empty_one_is_none`
//! - H10 polkit crashed when it had no descriptors left (CVE-2021-4115).
//!   `faults::where_no_descriptors_are_left_connections_wait_and_are_served_once_there_are`
//!   `faults::where_no_descriptors_are_left_files_are_refused_with_the_reason_and_closed`
//! - H11 FreeBSD left files open in a receiver whose control buffer was too small for their numbers
//!   (D16561 of its reviews). Linux closes them. Here there is room for all that a send carries.
//!   `receiver::truncated_control_data_closes_what_came_and_refuses_that_message_alone`
//!   `control::the_most_files_fit_into_what_musl_copies_and_more_are_left_out`
//! - H12 The Rust library rustix trusted the length in a header of truncated control data and
//!   panicked, twice (bytecodealliance/rustix#1683). Linux corrects that length. Here it is cut to
//!   what is there.
//!   `control::a_length_beyond_the_end_is_taken_for_what_is_there`
//! - H13 The Rust library nix gave out control messages without a look at `MSG_CTRUNC`
//!   (nix-rust/nix#2413). Here each receive looks, the bare one of a socket too.
//!   `descriptors::a_raw_receive_for_which_there_are_too_few_descriptors_is_refused_and_closes_what_came`
//! - H14 systemd ended a varlink connection for a file that a security module or the limit of
//!   descriptors kept back, and the caller waited for ever (systemd/systemd#42043). Here that call
//!   is answered with the reason.
//!   `descriptors::where_descriptors_run_out_a_call_is_refused_with_the_reason_and_the_connection_goes_on`
//!   `descriptors::where_descriptors_run_out_a_reply_is_refused_and_the_client_stays_usable`
//! - H15 FreeUnit took a message whose file was lost for one without a file
//!   (freeunitorg/freeunit#264). Here no method runs without all files.
//!   `faults::where_no_descriptors_are_left_files_are_refused_with_the_reason_and_closed`
//! - H16 The kernel joins a message without files and the next one with files in one read. systemd
//!   gives the files to the first (systemd/systemd#43823). Here they go to the last of a read.
//!   `receiver::files_belong_to_the_last_message_that_has_a_byte_in_their_read`
//!   `wire::pipelined_calls_get_the_right_files`
//! - H17 libuv did not close files that came before an error in the same control data
//!   (libuv/libuv#4358). Here each is owned as soon as its number is read, also without memory.
//!   `failures::a_call_with_files`
//!   `adopted_sockets::credentials_and_pidfds_that_were_not_requested_disturb_no_file_and_are_closed`
//! - H18 The Rust library of Wayland sent more files at once than its peer takes, which ended the
//!   connection (Smithay/wayland-rs#806). Here that is an error before anything is sent.
//!   `client::too_many_files_are_refused_before_anything_is_sent_with_the_limit_in_the_text`
//! - H19 Hyprland copied the files of its clients, kept the copies when clients had left, and died
//!   for want of descriptors (hyprwm/Hyprland#16093). Here no file outlives its call unless a
//!   method takes it.
//!   `server::a_released_file_outlives_its_call_and_what_stays_behind_does_not`
//!   `faults::many_clients_that_are_killed_at_once_leave_nothing_behind`
//! - H20 A read with `MSG_PEEK` and control data let Linux collect sockets that were in use
//!   (CVE-2026-23394). Here a look at the queue has no control buffer, so it touches no file.
//!   `socket::a_connection_is_empty_only_without_a_byte_in_its_queue`
//! - H21 A socket that was sent over itself out of band was never freed, or its queue was used
//!   after it was freed (CVE-2024-26676, CVE-2025-38236). These are the kernel's. Nothing is sent
//!   out of band here, and a connection with a file there is not taken for an empty one.
//!   `socket::a_file_out_of_band_makes_a_queue_that_is_not_empty`
//! - H22 gVisor fails a receive on a socket of the host that has `SO_PASSCRED` set
//!   (google/gvisor#14594). Here the option is never set, and works on Linux where somebody else
//!   has set it.
//!   `adopted_sockets::credentials_and_pidfds_that_were_not_requested_disturb_no_file_and_are_closed`
//!
//! Programs that are started:
//!
//! - H23 A descriptor of the host that runc had open reached the first program of a container
//!   (CVE-2024-21626). Here all are close-on-exec, and a program gets the files that were meant.
//!   `command::a_command_gets_the_files_and_no_other_descriptor`
//!   `socket::every_descriptor_is_close_on_exec_and_a_child_inherits_none`
//! - H24 A container could overwrite runc on the host, through the descriptor of the program that
//!   entered it (CVE-2019-5736). Here no process of the host enters a sandbox: gVisor is asked to
//!   start the program, and it gets three pipes.
//!   `command::the_program_gets_pipes_as_descriptors_0_to_2_and_what_the_container_has`
//! - H25 WezTerm closed, after a fork, the pipe by which std learns that exec failed. A program
//!   that was not there seemed to run (wezterm/wezterm#7893). Here files are placed after an exec.
//!   `command::a_program_that_cannot_be_run_is_status_2`
//!   `process::a_helper_that_cannot_become_the_program_reports_that_and_does_nothing_else`
//! - H26 std's removal of a directory could be led through a link to another one (CVE-2022-21658,
//!   mended in Rust 1.58.1). Here the oldest Rust is 1.85, and nobody else may enter the directory
//!   that is removed.
//!   `command::nobody_else_may_enter_the_directory_for_a_commands_files`
//!
//! Unix sockets and who is at their other end:
//!
//! - H27 Redis listened on a socket before it had narrowed the socket's mode (CVE-2023-45145).
//!   `socket::the_socket_is_never_seen_with_another_mode`
//!   `socket::nothing_that_is_made_on_the_way_to_a_socket_is_open_to_others`
//! - H28 snapd took a user id from a text in which its peer could write (CVE-2019-7304). Here ids
//!   are numbers from the kernel, and the name of a peer's socket is never read.
//!   `server::a_client_that_the_check_refuses_is_closed_without_a_reply`
//! - H29 polkit could be made to skip its check of who calls (CVE-2021-3560). Here ids that the
//!   kernel does not give are an error, and a check that fails in any way admits nobody.
//!   `sys::an_option_that_the_kernel_does_not_fill_is_an_error`
//!   `server::panics_in_callbacks_are_caught_like_a_methods`
//! - H30 The id of a user, sent to polkit by a Rust library, was ignored for its type, and the user
//!   looked up by a process id that could be another process's by then (CVE-2026-78422). Here a
//!   server's check gets the user of the connection, and looks nothing up.
//!   `server::a_client_that_the_check_refuses_is_closed_without_a_reply`
//!   `command::of_several_users_who_are_allowed_each_may_call`
//! - H31 The abstract socket of containerd's shim could be reached from containers with the host's
//!   network (CVE-2020-15257). Here a socket is abstract only if that was asked for. What connects
//!   to a sandbox's abstract name checks who has it.
//!   `sandbox::whoever_else_has_a_sandboxs_name_is_told_apart_before_a_byte_is_sent`
//!
//! JSON:
//!
//! - H32 Go's decoder recursed for each level, and overflowed its stack (golang/go#31789). So did
//!   Jackson's (CVE-2020-36518). D-Bus did for its own values (CVE-2010-4352). Here nothing
//!   recurses but types that contain themselves, to a limit.
//!   `wire::ten_thousand_levels_are_read_and_not_one_more`
//!   `json::typed_values_have_a_depth_limit_that_is_a_type_error`
//!   `descriptors::values_of_all_the_levels_there_may_be_fit_on_a_client_threads_stack`
//! - H33 jq's comparison of deep values, and Jackson's text of them, overflowed the stack although
//!   reading had a limit (CVE-2026-47770, CVE-2026-50193). Here values of all levels are compared,
//!   copied, written and printed on a small stack.
//!   `json::a_value_of_every_level_needs_no_stack`
//! - H34 Hjson for Go limited the depth of what it reads and not of what it writes
//!   (hjson/hjson-go#78). Here a value that was put together deeper than any text is written.
//!   `json::a_value_put_together_deeper_than_any_text_is_dropped_without_stack`
//! - H35 Names chosen for one hash took the CPU of json-c and Jansson (CVE-2013-6371,
//!   CVE-2013-6401). Here the members of a `Value` are sorted, and std's `HashMap` has a random
//!   key.
//!   `value::every_order_of_members_is_brought_into_their_own_and_the_last_of_a_name_stays`
//!   `json::many_members_cost_a_fixed_number_of_allocations_each`
//! - H36 A number of very many digits took time that grew with the square of their count, in Python
//!   and in JSON-java (CVE-2020-10735, CVE-2026-59171). Here a number keeps its text, and only
//!   numbers of limited size are computed.
//!   `json::a_number_of_a_million_digits_is_one_token_and_no_integer`
//! - H37 An exponent near the limit of an integer underflowed in RapidJSON (CVE-2024-38517).
//!   `json::exponents_of_any_size_are_read_as_std_reads_them`
//! - H38 A text near the largest integer made json-c write outside its buffer (CVE-2020-12762).
//!   Here capacities are added up with checks, and stay below a limit.
//!   `receiver::the_buffer_grows_to_one_byte_beyond_the_limit_and_no_further`
//!   `memory::a_buffer_near_its_limit_grows_in_few_steps`
//! - H39 The vector code of simd-json and of simdjson read behind the end of the text
//!   (GHSA-gwfj-pw2x-h6c2, CVE-2026-88358). Here the searches are safe code.
//!   `json::the_end_of_a_string_is_found_at_every_length`
//!   `json::every_text_of_up_to_six_bytes_is_judged_as_the_reference_does`
//! - H40 Two parsers of CouchDB took different ones of two members with one name, so one checked
//!   what the other did not use (CVE-2017-12635). Here a call is read once, and its fast way of
//!   reading agrees with the other.
//!   `read_buffer::a_call_means_the_same_with_and_without_the_fast_prefix`
//!   `json::members_that_come_twice_are_merged`
//! - H41 Very many short fields made systemd's journal take far more memory than their text
//!   (CVE-2018-16865). Here what a text is decoded to has a limit of its own.
//!   `budgets::decoding_takes_no_more_than_its_budget`
//!   `limited::hundreds_of_thousands_of_small_allocations_do_not_end_a_process`
