"""English words of each domain, for domain.py: its own, which tell it alone, and shared ones.

Guarantees lower-case words as text.py splits them; regular plurals are made, not written.
Written by hand from general knowledge of each field. Refuses names of persons, places and products.
"""

from pointsman.analysis.text import word_set
from pointsman.api.tasks import Domain

OWN_POINTS = 4
LEANING_POINTS = 2
SHARED_POINTS = 1

_SOFTWARE = """
    python javascript typescript golang kotlin sql mysql postgres postgresql sqlite mongodb nodejs
    numpy pandas django pytorch tensorflow regex regexp traceback stacktrace segfault dockerfile
    kubectl kubernetes npm oauth graphql asyncio mutex linq jquery bytecode codebase refactor linter
    terraform ansible dataframe software compiler debugger programmer programming algorithm
    recursion hashmap backend frontend endpoint microservice middleware repository malware
    ransomware firewall cryptographic cipher ciphertext plaintext tls ssl https tcp udp dns vpn ssh
    hacker phishing botnet authentication cpu gpu multithreading multiprocessor semaphore deadlock
    kernel filesystem linux unix bash shell json yaml xml csv tuple struct subclass polymorphism git
    github docker database schema crud classifier perceptron overfitting backpropagation
    hyperparameter softmax relu autoencoder dataset automaton automata parser lexer opcode xss csrf
    hexadecimal codec feedforward sigmoid convolutional hyperparameters unittest iot
"""
_SOFTWARE_LEANING = """
    api html css cache pipeline scheduler array pointer parse bandwidth packet router server exploit
    vulnerability sandbox buffer heap bit byte binary dropout gradient boolean inheritance turing
    encryption code program compile runtime exception bug debug network neural supervised training
    regularization classification segmentation attack protocol transformer password module import
    library browser website regression learning
"""
_SOFTWARE_SHARED = """
    function variable loop class object method string integer query queries index thread stack queue
    tree node data script framework memory processor instruction deploy container commit branch
    merge cloud web app url http user file directory computer input output java rust swift ruby
    react angular vue flask spring error hash sort sorted sorting system security key access client
    model attention dataset classify pixel image character bias weight layer search engine online
    device cluster feature upgrade
"""
_MATHEMATICS = """
    probability integer polynomial equation factorial hypotenuse quadratic logarithm theorem divisor
    divisible congruent modulo remainder perpendicular circumference determinant eigenvalue
    eigenvector permutation denominator numerator asymptote parabola ellipse hexagon pentagon
    octagon polygon quadrilateral trapezoid cosine sine algebra algebraic nonnegative hyperbola
    bisector triangle radian fraction differentiate differentiable exponent coefficient abelian
    subgroup isomorphism isomorphic homomorphism automorphism bijection bijective injective
    surjective topological homeomorphic coset vector subspace matrices antiderivative geometry
    trigonometry arithmetic multiplication subtraction rectangle rectangular parallelogram isosceles
    equilateral vertex vertices combinatorics bernoulli binomial quartile percentile median
    covariance chi squared confounding quantifier tautology satisfiable disjunction biconditional
    lemma corollary conjecture countable uncountable cardinality monotonic continuity convergent
    converge diverge coprime antecedent consequent antisymmetric invertible sqrt eigenspace
"""
_MATHEMATICS_LEANING = """
    significance sampling limit series sequence bounded ring compact ideal kernel cyclic integrate
    decimal radius diameter continuous derivative convex tangent infinitely predicate topology
    manifold matrix inequality variance irrational conjunction prime integral calculus prove proof
    deviation sphere cylinder perimeter premise proposition symmetric reflexive transitive
    equivalence graph slope digit logically finite
"""
_MATHEMATICS_SHARED = """
    number value sum product difference ratio percent percentage average mean mode standard
    distribution random sample probability set subset element function domain range intercept angle
    degree circle square cube cone area volume length width height solve simplify evaluate
    expression factor multiple root power real rational complex positive negative even odd order
    group field operation total many twice half dozen times equal equals divided multiply add
    subtract dice coin marbles statistics statistical correlation interval confidence survey
    argument conclusion valid logic symbolic contradictory consistent relation norm identity table
    infinity negation formula constant unique
"""
_SCIENCE = """
    electron proton neutron photon quantum wavelength molecule molecular reagent catalyst catalytic
    enzyme genome genotype phenotype allele chromosome dna rna mrna isotope kinetic velocity
    acceleration relativistic voltage resistor capacitor inductor magnetic electromagnetic electric
    hamiltonian eigenstate wavefunction nmr ppm molar mole equilibrium oxidation oxidizing aqueous
    chlorine atom atomic ion ionic covalent planet orbit orbital galaxy luminosity redshift
    thermodynamic entropy enthalpy semiconductor chiral stereochemistry isomer benzene methyl ethyl
    ketone aldehyde alkene alkane ester amine carboxylic solvent solubility acidic alkaline
    titration precipitate electrolysis photosynthesis chlorophyll chloroplast mitochondria
    mitochondrion ribosome organelle eukaryote eukaryotic prokaryote prokaryotic mitosis meiosis
    gamete zygote plasmid transcription peptide polypeptide nucleotide amino evolutionary speciation
    ecosystem biome habitat bacterium bacteria algae fungi fungus vascular xylem phloem germination
    vertebrate invertebrate phylum taxonomy geological tectonic magma sediment seismic asteroid
    comet meteorite nebula supernova crater eclipse astronomer astronomy physics chemistry biology
    spectroscopy spectra infrared ultraviolet radioactive radioactivity fission neutrino boson
    fermion lepton quark gravitational friction frictionless newton joule pascal watt kelvin
    pendulum inertia torque buoyant buoyancy refraction refractive diffraction convex optics
    acoustics amplitude oscillation transistor diode transformer impedance armature solenoid
    conductor insulator dielectric hydrocarbon polymer electronegativity exothermic endothermic
    stoichiometry photoelectric doppler decibel nuclide nuclei viscosity mimicry mutualism
    parasitism ectotherm spectrometer refracted magnet
"""
_SCIENCE_LEANING = """
    potassium sodium oxygen hydrogen carbon nitrogen selection species plant evolution lens circuit
    motor flux reduction solar buffer gravity density fusion fossil crystal pollen insect mammal
    telescope prey predator volcano earthquake mineral lunar soluble spectrum lattice momentum
    resonance gene protein mutation particle frequency compound organism tissue membrane genetic
    trait offspring moon star sun earth atmosphere scattering radiation laser nucleus oxide nitrate
    wave gas liquid sound polarization transverse longitudinal population scientific chemical acid
    synthesis cell
"""
_SCIENCE_SHARED = """
    mutant energy mass force field charge potential decay temperature pressure heat base solution
    reaction product yield bond element solid water light speed motion ray planet mars venus jupiter
    saturn climate ocean concentration volume experiment scientist laboratory symmetry current wire
    power phase metal sulfate heated boiling melting rock soil animal inherit natural rocket
    satellite kg cm km hz ev nm kj mol tone harmonic pitch mhz ghz metabolic theory vacuum collision
    surface environment
"""
_MEDICINE = """
    patient diagnosis diagnose diagnostic symptom disease syndrome clinical clinician physician
    surgeon surgery surgical prescription prescribe dosage therapy therapeutic chemotherapy
    antibiotic vaccine vaccination infectious sepsis fever cough nausea vomiting diarrhea diarrhoea
    headache rash edema oedema lesion tumor tumour cancer carcinoma lymphoma leukemia leukaemia
    benign malignant metastasis biopsy hypertension hypotension diabetes insulin hemoglobin
    haemoglobin anemia anaemia asthma pneumonia tuberculosis hepatitis hiv influenza covid stroke
    epilepsy dementia alzheimer parkinson autism schizophrenia cardiac cardiovascular coronary
    myocardial artery arteries arterial vein venous ventricle ventricular atrial aorta renal kidney
    liver hepatic pulmonary gastric intestine intestinal bowel colon pancreas pancreatic spleen
    thyroid pituitary adrenal cortisol cranial spinal vertebra tendon ligament femur tibia humerus
    cartilage ultrasound mri catheter intravenous anesthesia anaesthesia fetus foetus fetal
    pediatric geriatric menopause autosomal recessive hereditary prognosis etiology aetiology
    pathophysiology pathogen pathogenesis antigen antibody antibodies immunodeficiency inflammation
    inflammatory abdominal abdomen thorax thoracic pelvic palpation auscultation murmur tachycardia
    bradycardia dyspnea serum plasma erythrocyte leukocyte platelet obesity dietary nutrient
    cholesterol lipid retrovirus retroviral adenovirus herpes rabies polio measles smallpox
    papillomavirus conjunctivitis retina cornea larynx pharynx esophagus trachea paracetamol
    ibuprofen aspirin medication prevalence epidemiology mortality morbidity rheumatoid arthritis
    creatine hyperventilation neurotransmitter thyroxine mmhg coronavirus sphygmomanometer cpr
    tachypnea immunity viremia serotype dermatitis orthopedic
"""
_MEDICINE_LEANING = """
    virus viral infection neuron neuronal nerve muscle bone joint fracture depression anxiety
    swelling chest nutrition hospital nurse dose mg ct aids medicine medical pregnant pregnancy
    maternal calcium lung immune glucose hormone skull vitamin seizure estrogen testosterone blood
    pain treatment drug doctor acute chronic brain throat stomach gland glands wound ulcer bleeding
    allergic allergy diet infant metabolism illness fibre examination risk heart healthcare
"""
_MEDICINE_SHARED = """
    treat health healthy history exam year old woman man weight skin eye ear body organ sleep pulse
    rate pressure swollen tender test screening emergency care aging elderly protein fat iron cell
    tissue sexual birth mother child adult exercise athlete injury side effects therapist fiber
    viruses recovery cure genome dna rna mellitus
"""
_LAW = """
    plaintiff defendant lawsuit litigation jury jurisdiction statute statutory felony misdemeanor
    tort negligence negligent liable liability attorney lawyer prosecution prosecutor convicted
    conviction acquitted indictment indicted testimony testify hearsay admissible inadmissible
    appellate appeal appellant respondent petitioner verdict injunction breach contractual covenant
    easement deed landlord tenant lease eviction conveyance grantor grantee mortgagee bequest
    testator probate unconstitutional treaty treaties immunity extradition tribunal arbitration
    arbitrator icj jurisprudence jurist lawful unlawful legislature manslaughter larceny burglary
    arson trespass subpoena parole patent infringement indemnity indemnification gdpr plea bail
    negligence fiduciary estoppel precedent adjudication offeror offeree promisor promisee judiciary
    punitive unlawfully easements
"""
_LAW_LEANING = """
    legal illegal legally law seizure battery assault warrant clause sovereign sovereignty amendment
    damages custody counsel remedy remedies court judge constitutional legislation legislative
    robbery murder homicide copyright trademark criminal contract witness trial sued sue crime
    arrested arrest guilty evidence consent violation enforce ordinance regulations compliance
    deceased convention justice punishment divorce owner property conveyed
"""
_LAW_SHARED = """
    agreement party parties rights claim act state federal police officer innocent offense land
    deposit notice duty obligation violated compensation international resolution nations article
    provision statute regulation dispute motion intent will estate notary deterrence lawyers
"""
_FINANCE = """
    inflation gdp monetary fiscal equity dividend shareholder stockholder portfolio hedge futures
    forex depreciation amortization accrual ledger debit audit auditor auditing taxable taxation
    deductible invoice invoicing revenue earnings ebitda profitability solvency liquidity collateral
    refinance loan lender borrower creditor debtor bankruptcy apr apy monopoly monopolist
    monopolistic oligopoly oligopolistic elasticity inelastic macroeconomic microeconomic economics
    economist econometric heteroscedasticity autocorrelation autoregressive collinearity
    multicollinearity deflation recession tariff subsidy subsidies externality externalities
    keynesian gaap ifrs cpa accounting accountant invest etf brokerage broker pension annuity
    underwriting actuarial finance financial financing capex opex cashflow npv irr monetarist
    monetarists autocovariance stationarity gnp
"""
_FINANCE_LEANING = """
    aggregate producer surplus deficit marginal stocks currency tax irs investment investor mortgage
    quota multiplier wages wage unemployment economic banking elastic treasury bank budget credit
    payment fund funds assets asset debt shares share profit firms firm insurance payroll expenses
    expense price demand supply market income cost costs consumer capital liability interest
    accounts sales economy labor
"""
_FINANCE_SHARED = """
    money cash salary account rate rates stock return loss sale purchase goods consumers company
    corporation trade import export premium billing balance fee fees dollar curve spending savings
    quarterly fiscal ols regression series money households household circulation reserve propensity
    business industry
"""
_LISTS = {
    Domain.SOFTWARE: (_SOFTWARE, _SOFTWARE_LEANING, _SOFTWARE_SHARED),
    Domain.MATHEMATICS: (_MATHEMATICS, _MATHEMATICS_LEANING, _MATHEMATICS_SHARED),
    Domain.SCIENCE: (_SCIENCE, _SCIENCE_LEANING, _SCIENCE_SHARED),
    Domain.MEDICINE: (_MEDICINE, _MEDICINE_LEANING, _MEDICINE_SHARED),
    Domain.LAW: (_LAW, _LAW_LEANING, _LAW_SHARED),
    Domain.FINANCE: (_FINANCE, _FINANCE_LEANING, _FINANCE_SHARED),
}


_POINTS = (SHARED_POINTS, LEANING_POINTS, OWN_POINTS)


def _plurals(words: frozenset[str]) -> frozenset[str]:
    """The words and their regular plurals; a form that does not exist harms nothing."""
    more = set(words)
    for word in words:
        if word.endswith(("s", "x", "ch", "sh")):
            more.add(word + "es")
        elif word.endswith("y") and word[-2:-1] not in "aeiou":
            more.add(word[:-1] + "ies")
        else:
            more.add(word + "s")
    return frozenset(more)


def _table() -> dict[str, tuple[tuple[Domain, int], ...]]:
    owned: dict[str, dict[Domain, int]] = {}
    found: dict[str, tuple[tuple[Domain, int], ...]] = {}
    for domain, lists in _LISTS.items():
        for listed, points in zip(reversed(lists), _POINTS, strict=True):
            for word in _plurals(word_set(listed)):
                owned.setdefault(word, {})[domain] = points
    one: dict[tuple[tuple[Domain, int], ...], tuple[tuple[Domain, int], ...]] = {}
    for word, owners in owned.items():
        value = tuple(sorted(owners.items()))
        found[word] = one.setdefault(value, value)  # equal values are one object
    return found


DOMAIN_WORDS: dict[str, tuple[tuple[Domain, int], ...]] = _table()
"""Word -> ((domain, points), ...)."""
