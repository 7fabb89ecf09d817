//! Which orders of steps are tried out: all that can differ.
//!
//! Two steps that access nothing in common, or only read it, can be exchanged without a difference
//! to anyone. So of the orders that differ only in such exchanges one is enough. This is dynamic
//! partial order reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas:
//! "Optimal dynamic partial order reduction", 2014). After an execution, each pair of steps that
//! could have come the other way round makes an earlier choice be tried differently. A thread
//! sleeps where its step was tried before and nothing has happened since that concerns the step.

use super::execution::{Access, Object, Step};

/// What can go on before a step.
pub(crate) struct Turn {
    /// The threads that do not wait for anything.
    pub(crate) ready: Vec<usize>,
    /// The threads whose wait can end by its time limit.
    pub(crate) timed: Vec<usize>,
    /// The thread of the step before.
    pub(crate) last: Option<usize>,
}

type Accesses = Vec<(Object, Access)>;

/// The choice before one step.
struct Choice {
    enabled: Vec<usize>,
    is_fixed: bool,
    chosen: usize,
    /// What the chosen thread's step has accessed.
    accesses: Accesses,
    /// The choices of a value within the step, and of how many.
    values: Vec<(usize, usize)>,
    /// The threads to be tried, those that were tried included.
    to_try: Vec<usize>,
    tried: Vec<(usize, Accesses)>,
    sleeping: Vec<(usize, Accesses)>,
}

/// The orders of a scenario.
pub(crate) struct Orders {
    pub(crate) scenario: &'static str,
    /// Whether to try all orders, also those that cannot differ.
    all: bool,
    choices: Vec<Choice>,
    /// The choices of this execution so far, and the values within the last one.
    made: usize,
    values_made: usize,
    /// The first choice of this execution that is new.
    new_from: usize,
    /// All threads that could go on sleep, so nothing new comes of this execution.
    pub(crate) is_redundant: bool,
    /// Whether the next choices stay as they are.
    pub(crate) is_quiet: bool,
    /// If not zero, orders are chosen at random from now on.
    random: u64,
}

fn depend(one: &[(Object, Access)], other: &[(Object, Access)]) -> bool {
    one.iter().any(|(object, access)| {
        other
            .iter()
            .any(|(its, how)| object == its && !(*access == Access::Read && *how == Access::Read))
    })
}

/// Whether the steps could come the other way round, with another result.
fn race(one: &[(Object, Access)], other: &[(Object, Access)]) -> bool {
    let not_order = |accesses: &[(Object, Access)]| -> Accesses {
        accesses.iter().copied().filter(|(_, access)| *access != Access::Order).collect()
    };
    depend(&not_order(one), &not_order(other))
}

impl Orders {
    pub(crate) fn new(scenario: &'static str, all: bool) -> Orders {
        Orders {
            scenario,
            all,
            choices: Vec::new(),
            made: 0,
            values_made: 0,
            new_from: 0,
            is_redundant: false,
            is_quiet: false,
            random: 0,
        }
    }

    pub(crate) fn choose_thread(&mut self, turn: Turn, steps: &[Step]) -> usize {
        if self.random > 0 && !self.is_quiet {
            let enabled: Vec<usize> = turn.ready.iter().chain(&turn.timed).copied().collect();
            return enabled[self.draw(enabled.len())];
        }
        if self.is_redundant || self.random > 0 {
            return *turn.ready.first().unwrap_or_else(|| &turn.timed[0]);
        }
        self.values_made = 0;
        self.made += 1;
        if let Some(choice) = self.choices.get(self.made - 1) {
            return choice.chosen;
        }
        let sleeping = self.still_sleeping(steps);
        let awake = |thread: &&usize| sleeping.iter().all(|(other, _)| other != *thread);
        let last = turn.last.as_ref().filter(|last| turn.ready.contains(last));
        let mut preferred = last.into_iter().chain(&turn.ready).chain(&turn.timed);
        let Some(&chosen) = preferred.find(awake) else {
            self.is_redundant = true;
            self.made -= 1;
            return *turn.ready.first().unwrap_or_else(|| &turn.timed[0]);
        };
        let enabled: Vec<usize> = turn.ready.iter().chain(&turn.timed).copied().collect();
        self.choices.push(Choice {
            to_try: if self.all { enabled.clone() } else { vec![chosen] },
            enabled,
            is_fixed: self.is_quiet,
            chosen,
            accesses: Vec::new(),
            values: Vec::new(),
            tried: Vec::new(),
            sleeping,
        });
        chosen
    }

    /// The threads that sleep after the last step.
    fn still_sleeping(&self, steps: &[Step]) -> Vec<(usize, Accesses)> {
        let (Some(before), Some(step), false) = (self.choices.last(), steps.last(), self.all)
        else {
            return Vec::new();
        };
        let asleep = before.sleeping.iter().chain(&before.tried);
        asleep.filter(|(_, accesses)| !depend(accesses, &step.accesses)).cloned().collect()
    }

    pub(crate) fn choose_value(&mut self, count: usize) -> usize {
        if self.random > 0 {
            return self.draw(count);
        }
        if self.is_redundant || count < 2 {
            return 0;
        }
        let choice = &mut self.choices[self.made - 1];
        self.values_made += 1;
        if choice.values.len() < self.values_made {
            choice.values.push((0, count));
        }
        choice.values[self.values_made - 1].0
    }

    /// From now on each order is chosen at random.
    pub(crate) fn randomize(&mut self) {
        self.random = 0x9e37_79b9_7f4a_7c15;
    }

    /// A number below `count`, by xorshift.
    fn draw(&mut self, count: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % count as u64) as usize
    }

    /// Takes the steps of an execution and prepares the next one. `false` if there is none.
    pub(crate) fn next(&mut self, steps: &[Step]) -> bool {
        if self.random > 0 {
            self.is_quiet = false;
            return true;
        }
        for (choice, step) in self.choices.iter_mut().zip(steps) {
            for access in &step.accesses {
                if !choice.accesses.contains(access) {
                    choice.accesses.push(*access);
                }
            }
        }
        if !self.all {
            self.find_races(&steps[..self.choices.len()]);
        }
        (self.made, self.values_made) = (0, 0);
        (self.is_redundant, self.is_quiet) = (false, false);
        while let Some(choice) = self.choices.last_mut() {
            if choice.next() {
                self.new_from = self.choices.len() - 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }

    fn find_races(&mut self, steps: &[Step]) {
        let fixed = self.choices.iter().take_while(|choice| choice.is_fixed).count();
        let before = happened_before(steps, fixed);
        for (j, later) in steps.iter().enumerate().skip(self.new_from.max(fixed)) {
            let own = (0..j).rev().find(|k| steps[*k].thread == later.thread);
            let Some(own) = own else { continue };
            for i in fixed..j {
                let came_before = i <= own && (i == own || before[own].contains(i));
                if steps[i].thread != later.thread
                    && !came_before
                    && race(&steps[i].accesses, &later.accesses)
                {
                    self.try_other_way(steps, &before, own, (i, j));
                }
            }
        }
    }

    /// Sees to it that step `j` is tried before step `i`, if that is possible. `own` is the step of
    /// `j`'s thread before.
    fn try_other_way(
        &mut self,
        steps: &[Step],
        before: &[Set],
        own: usize,
        (i, j): (usize, usize),
    ) {
        let thread = steps[j].thread;
        if own < i && !self.choices[i].enabled.contains(&thread) {
            // It waited then. Whether what ended its wait depends on `i`:
            let waited = |k: &usize| !self.choices[*k].enabled.contains(&thread);
            let enabler = (i..j).rev().find(waited).unwrap_or(i);
            if enabler == i || before[enabler].contains(i) {
                return;
            }
        }
        let others: Vec<usize> =
            (i + 1..j).filter(|k| !before[*k].contains(i)).chain([j]).collect();
        // The threads that could begin with these steps instead of `i`.
        let mut first = Vec::new();
        for (at, k) in others.iter().enumerate() {
            if others[..at].iter().all(|other| !before[*k].contains(*other)) {
                first.push(steps[*k].thread);
            }
        }
        let choice = &mut self.choices[i];
        if choice.is_fixed {
            return;
        }
        let is_tried = |thread: &usize| {
            choice.to_try.contains(thread) || choice.sleeping.iter().any(|(it, _)| it == thread)
        };
        if first.iter().any(is_tried) {
            return;
        }
        first.retain(|thread| choice.enabled.contains(thread));
        match first.last() {
            Some(thread) => choice.to_try.push(*thread),
            None => choice.to_try.clone_from(&choice.enabled),
        }
    }
}

impl Choice {
    /// Goes on to the next value or thread. `false` if there is none.
    fn next(&mut self) -> bool {
        while let Some((value, count)) = self.values.last_mut() {
            *value += 1;
            if value < count {
                return true;
            }
            self.values.pop();
        }
        self.tried.push((self.chosen, std::mem::take(&mut self.accesses)));
        let seen = |thread: &usize| {
            self.tried.iter().chain(&self.sleeping).any(|(other, _)| other == thread)
        };
        match self.to_try.iter().find(|thread| !seen(thread)) {
            Some(thread) => {
                self.chosen = *thread;
                true
            }
            None => false,
        }
    }
}

/// A set of steps.
struct Set(Vec<u64>);

impl Set {
    fn contains(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }
}

/// For each step, those that had to come before it, without the `fixed` ones at the beginning.
fn happened_before(steps: &[Step], fixed: usize) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::with_capacity(steps.len());
    for (j, later) in steps.iter().enumerate() {
        let mut set = Set(vec![0; steps.len() / 64 + 1]);
        for i in (fixed..j).rev() {
            let earlier = &steps[i];
            if !set.contains(i)
                && (earlier.thread == later.thread || depend(&earlier.accesses, &later.accesses))
            {
                set.0.iter_mut().zip(&sets[i].0).for_each(|(to, from)| *to |= from);
                set.0[i / 64] |= 1 << (i % 64);
            }
        }
        sets.push(set);
    }
    sets
}
